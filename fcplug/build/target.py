"""What a code package is built for: an image of Function Compute, its Python and its processor."""

import platform
import sys
from collections.abc import Mapping
from typing import NamedTuple

ARCHITECTURES = ("x86_64", "aarch64")
_OLDEST_GLIBC = 17  # of a wheel tag manylinux_2_N; older ones have names of their own
_NAMED_GLIBC = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class Image(NamedTuple):
    """A runtime of Function Compute.

    Attributes:
        python: the version that ``bootstrap`` finds there.
        glibc: the minor version of its glibc 2.
    """

    python: str
    glibc: int


IMAGES: Mapping[str, Image] = {
    "custom.debian10": Image("3.10.9", 28),
    "custom.debian11": Image("3.12.4", 31),
    "custom.debian12": Image("3.11.2", 36),
}
DEFAULT_IMAGE = "custom.debian12"


class Target(NamedTuple):
    """The image, the version of Python with two or three numbers, and the processor."""

    image: str
    python: str
    architecture: str

    @property
    def glibc(self) -> int:
        """The minor version of the image's glibc 2."""
        return IMAGES[self.image].glibc

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version of Python."""
        major, minor, *_ = map(int, self.python.split("."))
        return major, minor

    @property
    def minor(self) -> str:
        """The version of Python that wheels name: ``3.11``."""
        return "{}.{}".format(*self.version)

    @property
    def is_usual(self) -> bool:
        """Whether ``bootstrap`` finds this Python in the image without a setting."""
        return IMAGES[self.image].python.startswith(f"{self.minor}.")

    @property
    def runs_here(self) -> bool:
        """Whether code for the target runs on this machine, given its Python."""
        name, _, version = platform.libc_ver()[0], None, platform.libc_ver()[1]
        if sys.platform != "linux" or name != "glibc" or platform.machine() != self.architecture:
            return False
        return tuple(map(int, version.split(".")[:2])) >= (2, self.glibc)

    def wheel_platforms(self) -> list[str]:
        """Return the platform tags of the wheels that the target takes, the newest first."""
        tags = []
        for minor in range(self.glibc, 4, -1):
            if minor < _OLDEST_GLIBC and self.architecture != "x86_64":
                break
            tags.append(f"manylinux_2_{minor}_{self.architecture}")
            if name := _NAMED_GLIBC.get(minor):
                tags.append(f"{name}_{self.architecture}")
        return [*tags, f"linux_{self.architecture}"]

    def markers(self) -> dict[str, str]:
        """Return the values of the markers of requirements, as PEP 508 names them."""
        full = self.python if self.python.count(".") == 2 else f"{self.python}.0"
        return {
            "implementation_name": "cpython",
            "implementation_version": full,
            "os_name": "posix",
            "platform_machine": self.architecture,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": full,
            "python_version": self.minor,
            "sys_platform": "linux",
        }

    def __str__(self) -> str:
        return f"{self.image} (Python {self.minor}, {self.architecture}, glibc 2.{self.glibc})"
