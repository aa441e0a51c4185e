"""Imports that are postponed until the module is used.

Falcon imports asyncio, ssl, an XML parser and more, which most functions never use. Importing them
lazily takes Falcon's import from 51 ms to 18 ms and saves 4 MB: no other single change makes a
cold start shorter by as much. ``importlib.util.LazyLoader`` is not enough: it imports a module at
the first access to an attribute, and Falcon accesses attributes while it is imported.

The states of one name, for example ``asyncio``::

    sys.modules["asyncio"] is           what Falcon got by ``import asyncio``
    ──────────────────────────          ─────────────────────────────────────
    missing
      │  lazy_modules("asyncio")
      ▼
    the _LazyModule, "active"           the _LazyModule; each attribute that it reads
      │                                 is a _LazyValue, and so is the result of a call
      │  the context ends
      ▼
    missing                             the same objects, still without an import
      │  first use of one of them,
      │  or any other ``import asyncio``
      ▼
    the real module                     _LazyModule: attributes of the real module;
                                        _LazyValue: calls and reads pass through to it
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from fcplug.process.lazy_patterns import lazy_patterns

_RARELY_USED = (
    "asyncio",
    "concurrent.futures",
    "falcon.forwarded",
    "falcon.hooks",
    "falcon.routing.static",
    "falcon.util.mediatypes",
    "falcon.util.uri",
    "http.cookiejar",
    "pathlib",
    "unicodedata",
    "xml.etree.ElementTree",
)
# by what the context is for, together with their modules
_IMPORTED_INSIDE = ("falcon", "httptools", "msgspec")

# Attributes that are missing in some versions; Falcon checks for them while it is imported.
_ABSENT = {("asyncio", "Runner")} if sys.version_info < (3, 11) else set()


def import_falcon() -> None:
    """Import Falcon without what it imports for asynchronous and for rare uses: half of its time.

    Call it before any plugin is imported, which may import the same modules. An error is ignored:
    the import that needs Falcon raises it again.
    """
    with suppress(Exception), lazy_modules(*_RARELY_USED), lazy_patterns():
        import falcon  # noqa: F401, PLC0415


def import_urllib() -> None:
    """Import urllib.parse without ipaddress, which only addresses of IPv6 in URLs need."""
    with suppress(Exception), lazy_modules("ipaddress"):
        import urllib.parse  # noqa: F401, PLC0415


def import_socket() -> None:
    """Import socket without array, which only passing open files to other processes needs."""
    with suppress(Exception), lazy_modules("array"):
        import socket  # noqa: F401, PLC0415


def import_waitress() -> None:
    """Import waitress without what it imports for dates that clients send, and for its command."""
    with suppress(Exception), lazy_modules("calendar", "getopt"), _lazy_platform(), lazy_patterns():
        import waitress.server  # noqa: F401, PLC0415


def import_httptools() -> None:
    """Import httptools without its parser of URLs."""
    with suppress(Exception), lazy_modules("httptools.parser.url_parser"):
        import httptools  # noqa: F401, PLC0415


@contextmanager
def for_yaml() -> Iterator[None]:
    """Let PyYAML be imported without what it needs for binary values, and without its patterns."""
    with lazy_modules("base64", "binascii"), lazy_patterns():
        yield


def import_msgspec() -> None:
    """Import msgspec without its inspection of types and its JSON Schemas."""
    names = "msgspec.inspect", "msgspec._json_schema"
    with suppress(Exception), lazy_modules(*names), _lazy_platform():
        import msgspec  # noqa: F401, PLC0415


@contextmanager
def _lazy_platform() -> Iterator[None]:
    """Let waitress, and uuid before Python 3.12, ask for the system's name without that import."""
    with lazy_modules("platform"):
        vars(sys.modules["platform"]).setdefault("system", lambda: os.uname().sysname)
        yield


@contextmanager
def without_media_types_of_the_system() -> Iterator[None]:
    """Let Falcon's applications take the media types that Python knows, and read no list of files.

    Reading ``/etc/mime.types`` takes 3 ms. Other code that asks for a type has it read.
    """
    import mimetypes  # noqa: PLC0415 - Falcon has imported it

    before, mimetypes.inited = mimetypes.inited, True
    try:
        yield
    finally:
        mimetypes.inited = before


@contextmanager
def lazy_modules(*names: str) -> Iterator[None]:
    """Make imports of these modules yield lazy proxies inside this context.

    After the context an import gets the real module. A module that is imported already is left
    alone. Use it before other threads run: an import by one of them would get the proxy, too.
    """
    proxies = {name: _LazyModule(name) for name in names if name not in sys.modules}
    for name in proxies:
        package = name.rpartition(".")[0]
        if package.partition(".")[0] not in ("", *_IMPORTED_INSIDE):
            importlib.import_module(package)  # small, and needed before its submodule is found
    sys.modules.update(proxies)
    try:
        yield
    finally:
        for name, proxy in proxies.items():
            if sys.modules.get(name) is proxy:
                del sys.modules[name]
                package, _, child = name.rpartition(".")
                if package.partition(".")[0] in _IMPORTED_INSIDE and package in sys.modules:
                    vars(sys.modules[package]).setdefault(child, proxy)  # as an import does


class _LazyModule(ModuleType):
    """A proxy of a module; while it is in ``sys.modules``, its attributes are lazy values."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or (self.__name__, name) in _ABSENT:
            raise AttributeError(name)
        if not self._is_active():
            return self._import(name)
        return _LazyValue(lambda: self._import(name), name, self._is_active)

    def _is_active(self) -> bool:
        return sys.modules.get(self.__name__) is self

    def _import(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


class _LazyValue:
    """A value that is computed when it is used.

    While its module is active, calling it does not count as a use: the result is a lazy value.
    """

    __slots__ = ("__name__", "_compute", "_is_active")

    def __init__(
        self, compute: Callable[[], Any], name: str, is_active: Callable[[], bool]
    ) -> None:
        self.__name__ = name
        self._compute = compute
        self._is_active = is_active

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._is_active():
            return self._compute()(*args, **kwargs)
        results: list[Any] = []

        def call_once() -> Any:
            if not results:
                results.append(self._compute()(*args, **kwargs))
            return results[0]

        return _LazyValue(call_once, self.__name__, self._is_active)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._compute(), name)

    def __mro_entries__(self, _bases: tuple[object, ...]) -> tuple[Any, ...]:
        return (self._compute(),)  # a class is derived from it

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._compute())

    def __subclasscheck__(self, kind: type) -> bool:
        return issubclass(kind, self._compute())
