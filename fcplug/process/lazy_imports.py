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
def lazy_modules(*names: str) -> Iterator[None]:
    """Have whoever imports these modules within get a stand-in, which imports them when used.

    Afterwards their names mean the modules themselves again, for everybody who imports them then.
    What is imported already is left as it is. For a process that runs no other code yet: an import
    by another thread meanwhile would get the stand-in, too.
    """
    proxies = {name: _LazyModule(name) for name in names if name not in sys.modules}
    for name in proxies:
        package = name.rpartition(".")[0]
        if package:
            importlib.import_module(package)  # small, and what the import system asks first
    sys.modules.update(proxies)
    try:
        yield
    finally:
        for name, proxy in proxies.items():
            if sys.modules.get(name) is proxy:
                del sys.modules[name]


class _LazyModule(ModuleType):
    """Looks like a module: its attributes are later ones while it is in the module's place."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or (self.__name__, name) in _ABSENT:
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is not self:
            return getattr(importlib.import_module(self.__name__), name)
        return _LazyValue(
            lambda: getattr(importlib.import_module(self.__name__), name),
            name,
            lambda: sys.modules.get(self.__name__) is self,
        )


class _LazyValue:
    """A value that is there once something of it is used; a call of it is one, too, until then."""

    __slots__ = ("__name__", "_is_active", "_value")

    def __init__(self, value: Callable[[], Any], name: str, is_active: Callable[[], bool]) -> None:
        self.__name__ = name
        self._value = value
        self._is_active = is_active

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._is_active():
            return self._value()(*args, **kwargs)
        results: list[Any] = []

        def result() -> Any:
            if not results:
                results.append(self._value()(*args, **kwargs))
            return results[0]

        return _LazyValue(result, self.__name__, self._is_active)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._value(), name)
