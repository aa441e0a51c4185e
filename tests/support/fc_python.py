"""The Python of Function Compute's Debian 11 image, made from the one of this machine.

Debian 11 has no package of Python 3.12, and the image's own Python is in no package index. So the
Python 3.12 of this machine is linked again, with the C library of the root: what it loads runs with
the glibc of Debian 11. Newer libraries that its modules need, such as OpenSSL 3, come with it.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcplug.build import interpreter
from fcplug.build.target import Target
from support.commands import unmeasured
from support.programs import needed

VERSION = "3.12"
PACKAGES = ("python3", "libc6-dev")
"""What the root has: its own older Python, as the image, and what a program is linked with."""

_ABOUT = """
import json, sysconfig
names = ("LIBPL", "LIBRARY")
print(json.dumps([sysconfig.get_path("stdlib"), *map(sysconfig.get_config_var, names)]))
"""
# functions that Debian 11 lacks, or has by another name; subprocess does without the first
_ABSENT = """\
int close_range(unsigned first, unsigned last, int flags) { return -1; }
int __xstat(int version, const char *path, void *into);
int __lxstat(int version, const char *path, void *into);
int __fxstat(int version, int file, void *into);
int stat(const char *path, void *into) { return __xstat(1, path, into); }
int lstat(const char *path, void *into) { return __lxstat(1, path, into); }
int fstat(int file, void *into) { return __fxstat(1, file, into); }
"""
_LIBRARIES = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libutil.so.1")
_OLDEST = b"GLIBC_2.2.5"
_TOO_NEW = [b"GLIBC_2.%d" % minor for minor in range(32, 42)]
_UNUSED = ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "site-packages", "config-*")
_OTHER_LIBRARIES = ("_sqlite3.*", "_tkinter.*", "nis.*")
_LIBRARY = re.compile(r"^\s*(\S+) => (/\S+)", re.MULTILINE)


def install(root: Path, work: Path) -> None:
    """Put Python 3.12 where Function Compute's Debian 11 image has it.

    Without such a Python on this machine the test is skipped, also in CI: no package index has it.
    """
    stdlib, static = _of_this_machine(work)
    place = root / "var/fc/lang" / f"python{VERSION}"
    program = place / "bin" / f"python{VERSION}"
    program.parent.mkdir(parents=True)
    unused = shutil.ignore_patterns(*_UNUSED, *_OTHER_LIBRARIES)
    shutil.copytree(stdlib, place / "lib" / f"python{VERSION}", ignore=unused)
    libraries = root / "usr/lib/x86_64-linux-gnu"
    modules = [*(place / "lib" / f"python{VERSION}" / "lib-dynload").glob("*.so")]
    for file in (*modules, *_copied(modules, libraries)):
        file.write_bytes(_with_older_versions(file.read_bytes()))
    (work / "absent.c").write_text(_ABSENT)
    _link(libraries, [static, work / "absent.c"], program)
    (program.parent / "python3").symlink_to(program.name)


def _of_this_machine(work: Path) -> tuple[Path, Path]:
    """Return the standard library and the static library of this machine's Python."""
    target = Target("custom.debian11", VERSION, "x86_64")
    python = interpreter.find(target, {**unmeasured(), "HOME": str(Path.home())}, work)
    if not python or sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"this test needs Python {VERSION}, on x86_64")
    done = subprocess.run([python, "-c", _ABOUT], capture_output=True, check=True)
    stdlib, folder, name = json.loads(done.stdout)
    if not Path(folder, name).is_file():
        pytest.skip(f"this test needs the static library of Python {VERSION}: {folder}/{name}")
    return Path(stdlib), Path(folder, name)


def _copied(modules: list[Path], libraries: Path) -> Iterator[Path]:
    """Copy the libraries that modules need and a root lacks, and yield the copies."""
    done = subprocess.run([needed("ldd"), *modules], capture_output=True, text=True, check=True)
    for name, path in set(_LIBRARY.findall(done.stdout)):
        if not (libraries / name).exists() and not name.startswith("libpython"):
            yield Path(shutil.copy(path, libraries / name))


def _link(libraries: Path, sources: list[Path], program: Path) -> None:
    """Link a Python with the C library of a root."""
    shared = [*(libraries / name for name in (*_LIBRARIES, "librt.so.1"))]
    shared += libraries.glob("ld-2.*.so")
    start = sources[0].with_name("python.o")  # it has main
    options = ["-w", "-nodefaultlibs", "-Wl,-export-dynamic,-s,--no-as-needed"]
    done = subprocess.run(
        [
            needed("gcc"), f"-B{libraries}/", *options, "-o", program, start, *reversed(sources),
            *shared, libraries / "libc_nonshared.a", "-lgcc",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _with_older_versions(module: bytes) -> bytes:
    """Return a shared library that asks for the oldest version of each function.

    An entry of its table of versions is: hash (4 bytes), flags (4), offset of the name (4), next.
    """
    oldest = module.find(_hash(_OLDEST))
    for version in _TOO_NEW:
        while (at := module.find(_hash(version))) >= 0:
            entry = _hash(_OLDEST) + module[at + 4 : at + 8] + module[oldest + 8 : oldest + 12]
            module = module[:at] + entry + module[at + 12 :]
    return module


def _hash(name: bytes) -> bytes:
    """Return the hash by which the ELF format finds a name."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        value = (value ^ (value & 0xF0000000) >> 24) & 0x0FFFFFFF
    return value.to_bytes(4, "little")
