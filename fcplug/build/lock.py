"""The lock file: each distribution of a package, its version and the hashes of its files.

Its lines for distributions of an index are a requirements file that pip and uv read. What was built
here from a folder has no hash; a wheel file has that of the file.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcplug.build.failure import BuildError

_PIN = re.compile(r"(?P<name>[\w.-]+)(?:==(?P<version>[^\s;]+)| @ (?P<url>\S+))")
_HASH = re.compile(r"--hash=(\w+:[0-9a-f]+)")
_LOCAL = re.compile(
    r"# local: (?P<name>[\w.-]+)==(?P<version>\S+) from (?P<source>.*?)"
    r"(?: (?P<digest>sha256:\w+))?$"
)
_HEAD = "# for "
_LINE = re.compile(rf"\s*(#.*|({_PIN.pattern})?(\s*{_HASH.pattern})*\s*\\?\s*)")
_FIX = "undo the edit, or remove the file: fcplug build writes it again"


class Pin(NamedTuple):
    """A distribution of an index, or of a URL; any of the hashes will do."""

    name: str
    version: str
    url: str
    hashes: tuple[str, ...]

    @property
    def requirement(self) -> str:
        """The requirement that only this distribution meets."""
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"

    @property
    def line(self) -> str:
        """The requirement with its hashes, as pip and uv read it."""
        return " \\\n    ".join([self.requirement, *(f"--hash={each}" for each in self.hashes)])


class LocalPin(NamedTuple):
    """A distribution from this machine: built from a folder, or a wheel file with its hash."""

    name: str
    version: str
    source: str
    digest: str

    @property
    def line(self) -> str:
        """The comment that stands for it."""
        return f"# local: {self.name}=={self.version} from {self.source} {self.digest}".rstrip()


class Lock(NamedTuple):
    """What a package is made of."""

    target: str
    pins: tuple[Pin, ...]
    local: tuple[LocalPin, ...]

    def text(self) -> str:
        """Return the text of the file."""
        lines = [
            "# Written by fcplug build: commit it. fcplug build keeps these versions, and",
            "# fcplug build --locked takes nothing else; --upgrade takes the newest.",
            f"{_HEAD}{self.target}",
            *(each.line for each in self.local),
            *(each.line for each in self.pins),
        ]
        return "\n".join(lines) + "\n"

    def versions(self) -> dict[str, str]:
        """Return the version of each distribution of an index, by its canonical name."""
        return {each.name: each.version for each in self.pins if each.version}


def canonical(name: str) -> str:
    """Return the one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> tuple[Pin, ...]:
    """Return the pins of a requirements file with hashes, by name."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if match := _PIN.match(line.strip()):
            hashes = tuple(sorted(_HASH.findall(line)))
            name, version, url = match["name"], match["version"] or "", match["url"] or ""
            found.append(Pin(canonical(name), version, url, hashes))
    return tuple(sorted(found))


def read(file: Path) -> Lock | None:
    """Return a lock file, None if there is none.

    Raises:
        BuildError: it cannot be read, is none of ours, or has lines that a build does not write,
            such as those of a merge that is not settled.
    """
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"{file} cannot be read: {error}") from None
    lines = text.splitlines()
    target = next((line for line in lines if line.startswith(_HEAD)), "").removeprefix(_HEAD)
    if not target:
        fix = "remove it, or write the package elsewhere with --output"
        raise BuildError(f"{file} is no lock file of fcplug build", fix=fix)
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):
            raise BuildError(f"{file}:{number}: {line!r} is no line of a lock file", fix=_FIX)
    local = [LocalPin(*(each or "" for each in m.groups())) for m in map(_LOCAL.match, lines) if m]
    lock = Lock(target, pins(text), tuple(sorted(local)))
    names = [*(each.name for each in lock.local), *(each.name for each in lock.pins)]
    for name, times in Counter(names).items():
        if times > 1:
            raise BuildError(f"{file} names {name} twice", fix=_FIX)
    return lock


def refusals(lock: Lock, target: str, local: Sequence[LocalPin]) -> list[str]:
    """Return why a lock file is not for a target, and what is here that it does not name."""
    if lock.target != target:
        return [f"it is for {lock.target}, and not for {target}"]
    named = {each.name: each for each in lock.local}
    found = []
    for each in local:
        other = named.pop(each.name, None)
        what = f"{each.name} {each.version} from {each.source}"
        if other is None:
            found.append(f"it does not name {what}")
        elif other.version != each.version:
            found.append(f"it names {each.name} {other.version}, and not {what}")
        elif other.digest != each.digest:
            found.append(f"it names another file than {each.source} for {each.name}")
    return found + [f"it names {each.name}, which nothing requires" for each in named.values()]
