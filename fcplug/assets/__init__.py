"""Files that a project needs beside its code, so that every install of the package has them."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import resources
from typing import NamedTuple

from fcplug.config import loader
from fcplug.errors import OutputError


class Asset(NamedTuple):
    """A file that people take into their project; ``read`` returns its content."""

    name: str
    read: Callable[[], bytes]
    executable: bool = False

    def write(self, target: str, *, force: bool = False) -> None:
        """Write the file to a path; what is there already is replaced only by ``force``.

        Raises:
            OutputError: there is a file already, or it cannot be written.
        """
        if os.path.isdir(target):
            raise OutputError(target, "this is a folder", f"name the file: {target}/{self.name}")
        # whole or not at all: what is replaced stays until the new file is complete
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
        mode = 0o777 if self.executable else 0o666  # less what the umask takes away
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
