"""The Python that compiles a package: what cannot be looked at is not there."""

import sys
from pathlib import Path

from fcplug.build import interpreter
from fcplug.build.target import Target
from support.privileges import without_privileges

OTHER = Target("custom.debian12", f"3.{sys.version_info.minor + 20}", "x86_64")


def test_a_folder_of_another_user_has_no_interpreter(tmp_path: Path) -> None:
    locked = tmp_path / "of-another-user"
    (locked / "versions").mkdir(parents=True)
    locked.chmod(0)
    environ = {"PATH": "", "PYENV_ROOT": str(locked), "XDG_DATA_HOME": str(locked)}
    with without_privileges():
        assert interpreter.find(OTHER, environ, tmp_path) == ""
    locked.chmod(0o700)


def test_a_file_that_does_not_start_is_no_interpreter(tmp_path: Path) -> None:
    file = tmp_path / f"python{OTHER.minor}"
    file.write_bytes(b"\x7fELF for another processor")
    file.chmod(0o755)
    assert interpreter.find(OTHER, {"PATH": str(tmp_path), "HOME": ""}, tmp_path) == ""
