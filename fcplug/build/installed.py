"""The distributions of this environment: which one a module or a plugin belongs to."""

import importlib.util
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import Distribution
from pathlib import Path

from fcplug.build import origin
from fcplug.build.lock import canonical
from fcplug.build.origin import Origin
from fcplug.inspection import distributions


class Environment:
    """What is installed beside this fcplug."""

    @cached_property
    def _all(self) -> Mapping[str, distributions.Installed]:
        return {canonical(each.name): each for each in distributions.installed()}

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """The distribution that has a top-level module, by the module's name."""
        found: dict[str, str] = {}
        for each in self._all.values():
            for file in each.distribution.files or ():
                if file.suffix in (".py", ".so") and ".." not in file.parts:
                    found.setdefault(file.parts[0].partition(".")[0], each.name)
        return found

    @cached_property
    def _editable(self) -> Mapping[str, str]:
        """The folders of the distributions that are installed from one, and their names."""
        origins = {name: origin.of(each.distribution) for name, each in self._all.items()}
        return {each.place: name for name, each in origins.items() if each.kind == "folder"}

    def version(self, name: str) -> str:
        """Return the version of a distribution, empty if it is not installed."""
        found = self._all.get(canonical(name))
        return found.version if found else ""

    def origin(self, name: str) -> Origin:
        """Return where a distribution came from; an index if it is not installed."""
        found = self._all.get(canonical(name))
        return origin.of(found.distribution) if found else origin.INDEX

    def distribution(self, name: str) -> Distribution | None:
        """Return a distribution, None if it is not installed."""
        found = self._all.get(canonical(name))
        return found.distribution if found else None

    def owner(self, module: str) -> str:
        """Return the distribution that has a top-level module, empty if none has."""
        if found := self.modules.get(module):
            return found
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return ""
        places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
        for place in filter(None, places):
            for folder, name in self._editable.items():
                if Path(place).is_relative_to(folder):
                    return name
        return ""

    def local(self, name: str) -> Iterator[tuple[str, Origin]]:
        """Yield what a distribution requires, itself included, that came from no index."""
        for each in distributions.requires(name, list(self._all.values())):
            if (found := self.origin(each)).kind != "index":
                yield each, found

    def versions(self) -> dict[str, str]:
        """Return the version of each distribution, by its canonical name."""
        return {name: each.version for name, each in self._all.items()}
