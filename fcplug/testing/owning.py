"""A runner that closes others with itself."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from fcplug.testing.runner import Level, Runner


class OwningRunner(Runner):
    """Closes the runners that were made from it before it closes, the last one first."""

    def __init__(self, *, log_level: Level = "INFO", on_log: Callable[[str], object]) -> None:
        super().__init__(log_level=log_level, on_log=on_log)
        self._owned: list[Runner] = []

    def from_file(  # type: ignore[override]  # of this object, which closes what it returns
        self, path: str | os.PathLike[str], environ: Mapping[str, str] | None = None, **more: Any
    ) -> Runner:
        """Return a runner of the functions of a ``functions.yaml``, closed with this one."""
        return self._own(Runner.from_file(path, environ, **{"on_log": self._on_log, **more}))

    def from_text(  # type: ignore[override]
        self, text: str, environ: Mapping[str, str] | None = None, **more: Any
    ) -> Runner:
        """Return a runner of the functions of a configuration, closed with this one."""
        return self._own(Runner.from_text(text, environ, **{"on_log": self._on_log, **more}))

    def close(self) -> None:
        """Close all runners, whatever one of them raises."""
        try:
            while self._owned:
                self._owned.pop().close()
        finally:
            if self._owned:
                self.close()
            else:
                super().close()

    def _own(self, runner: Runner) -> Runner:
        self._owned.append(runner)
        return runner
