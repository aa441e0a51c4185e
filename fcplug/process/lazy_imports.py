"""Imports that a library makes early and seldom needs, postponed until they are needed."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# what a module may have or not, as the library that asks for it knows
_ABSENT = {("asyncio", "Runner")} if sys.version_info < (3, 11) else set()


@contextmanager
def postponed(*names: str) -> Iterator[None]:
    """Have whoever imports these modules within get a stand-in, which imports them when used.

    Afterwards their names mean the modules themselves again, for everybody who imports them then.
    What is imported already is left as it is. For a process that runs no other code yet: an import
    by another thread meanwhile would get the stand-in, too.
    """
    stand_ins = {name: _StandIn(name) for name in names if name not in sys.modules}
    for name in stand_ins:
        package = name.rpartition(".")[0]
        if package:
            importlib.import_module(package)  # small, and what the import system asks first
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


class _StandIn(ModuleType):
    """Looks like a module: its attributes are later ones while it is in the module's place."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or (self.__name__, name) in _ABSENT:
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is not self:
            return getattr(importlib.import_module(self.__name__), name)
        return _Later(
            lambda: getattr(importlib.import_module(self.__name__), name),
            name,
            lambda: sys.modules.get(self.__name__) is self,
        )


class _Later:
    """A value that is there once something of it is used; a call of it is one, too, until then."""

    __slots__ = ("__name__", "_early", "_value")

    def __init__(self, value: Callable[[], Any], name: str, early: Callable[[], bool]) -> None:
        self.__name__ = name
        self._value = value
        self._early = early

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._early():
            return self._value()(*args, **kwargs)
        made: list[Any] = []

        def result() -> Any:
            if not made:
                made.append(self._value()(*args, **kwargs))
            return made[0]

        return _Later(result, self.__name__, self._early)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._value(), name)
