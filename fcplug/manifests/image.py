"""The images of Function Compute's custom runtimes: where each has its Python."""

from collections.abc import Mapping
from typing import NamedTuple

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin"
_CODE = "/code"


class Image(NamedTuple):
    """One image: its name as ``runtime``, and the folder of the Python that runs fcplug there."""

    name: str
    version: str
    folder: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make the image's own Python the one that runs."""
        folders = [f"{_CODE}/python/bin", self.folder, _SYSTEM_PATH]
        # the folders of the system are on the path already
        path = ":".join(each for each in folders if each != "/usr/bin")
        return {"PATH": path, "FCPLUG_PYTHON": f"{self.folder}/python3"}

    def with_python(self, version: str) -> "Image":
        """Return the same image with another of its Pythons, where it has more than one."""
        if version == self.version:
            return self
        return self._replace(version=version, folder=f"/var/fc/lang/python{version}/bin")


DEFAULT_IMAGE = "custom.debian12"
IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        Image("custom.debian10", "3.10", "/var/fc/lang/python3.10/bin"),
        Image("custom.debian11", "3.12", "/var/fc/lang/python3.12/bin"),
        Image("custom.debian12", "3.11", "/usr/bin"),
    )
}
