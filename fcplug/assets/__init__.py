"""Files that a project copies from the installed package: ``bootstrap`` and the JSON Schema."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import resources
from typing import NamedTuple

from fcplug.config import loader
from fcplug.errors import OutputError


class Asset(NamedTuple):
    """A file to copy into a project; ``read`` returns its content."""

    name: str
    read: Callable[[], bytes]
    executable: bool = False

    def write(self, target: str, *, force: bool = False) -> None:
        """Write the file to a path; ``force`` replaces an existing file.

        Raises:
            OutputError: the file exists already, or cannot be written.
        """
        if os.path.isdir(target):
            raise OutputError(target, "this is a folder", f"name the file: {target}/{self.name}")
        # the old file stays until the new one is complete
        written = f"{target}.{os.getpid()}.new" if force else target
        try:
            self._create(written)
            if force:
                os.replace(written, target)
        except FileExistsError:
            raise OutputError(target, "it exists already", "--force replaces it") from None
        except OSError as error:
            raise OutputError(target, error.strerror or str(error)) from None

    def _create(self, path: str) -> None:
        mode = 0o777 if self.executable else 0o666  # the umask removes bits of it
        with open(path, "xb", opener=partial(os.open, mode=mode)) as stream:
            try:
                stream.write(self.read())
                stream.flush()
            except BaseException:
                with suppress(OSError):
                    os.unlink(path)
                raise


def _bootstrap() -> bytes:
    return resources.files(__name__).joinpath("bootstrap").read_bytes()


BOOTSTRAP = Asset("bootstrap", _bootstrap, executable=True)
SCHEMA = Asset("functions.schema.json", lambda: loader.json_schema().encode())
