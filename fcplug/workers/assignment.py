"""Tell a worker its function and the settings of its process."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fcplug.config.document import Document
from fcplug.config.interpolation import FromEnvironment
from fcplug.config.location import Location, Path
from fcplug.config.model import FunctionSpec


class WorkerSettings(Struct, frozen=True):
    """The settings of the process that workers take over; the others are keys of the spec."""

    folder: str = ""
    """The working directory of the processes; empty for the current one."""
    log_format: Literal["text", "json"] = "text"
    log_level: str = "INFO"
    log_blocked: Literal["wait", "drop"] = "wait"


class Assignment(Struct, frozen=True):
    """One function, the locations of its settings, process settings."""

    spec: FunctionSpec
    document: Document
    settings: WorkerSettings

    def to_header(self) -> dict[str, Any]:
        """Return the assignment as plain values for JSON."""
        spec = _plain(self.spec)
        ours = ("functions", self.spec.name), ("defaults",)
        return {
            "spec": spec,
            "from_environment": list(_from_environment(spec, ())),
            "file": self.document.file,
            "locations": [
                [path, *location]
                for path, location in self.document.locations.items()
                if any(path[: len(top)] == top for top in ours)
            ],
            "settings": _plain(self.settings),
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Assignment":
        """Return the assignment in a received header."""
        for *way, last in header["from_environment"]:
            holder = header["spec"]
            for step in way:
                holder = holder[step]
            holder[last] = FromEnvironment(holder[last])
        locations = {tuple(path): Location(*numbers) for path, *numbers in header["locations"]}
        return cls(
            msgspec.convert(header["spec"], FunctionSpec),
            Document(header["file"], None, locations),
            msgspec.convert(header["settings"], WorkerSettings),
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _from_environment(value: Any, path: Path) -> Iterator[Path]:
    """Yield the path to each ``FromEnvironment`` text: in JSON it looks like any other text."""
    if isinstance(value, FromEnvironment):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _from_environment(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _from_environment(item, (*path, index))
