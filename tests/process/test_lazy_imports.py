"""Lazy imports: what a proxy can do, and that no other code sees one."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fcplug.process.lazy_imports import lazy_modules
from support.commands import run_script, unmeasured
from support.deployed import deploy, start
from support.stored import store

SELDOM = (
    *("asyncio", "concurrent.futures", "http.cookiejar", "xml.etree.ElementTree"),
    *("falcon.hooks", "falcon.routing.static", "falcon.util.mediatypes", "falcon.util.uri"),
    "falcon.forwarded",
    *("dataclasses", "ipaddress", "pathlib", "unicodedata"),
)
FALCON = """\
import sys
from fcplug.process.lazy_imports import lazy_modules

names = (
    *("asyncio", "concurrent.futures", "http.cookiejar", "xml.etree.ElementTree"),
    *("falcon.hooks", "falcon.routing.static", "falcon.util.mediatypes", "falcon.util.uri"),
    "falcon.forwarded",
    *("pathlib", "unicodedata"),
)
seldom = {*names, "ssl", "email", "urllib.request"}
before = set(sys.modules)
with lazy_modules(*names):
    import falcon
assert not (seldom & sys.modules.keys()) - before, seldom & sys.modules.keys()
"""


def test_all_of_falcon_works_with_lazy_imports() -> None:
    out = run_script(
        FALCON
        + """
import asyncio, warnings
from http.cookiejar import Cookie

assert asyncio.__file__ and falcon.util.sync.asyncio.sleep is asyncio.sleep
async def five():
    return 5
print(falcon.async_to_sync(five), falcon.async_to_sync(five))
async def elsewhere():
    shared = falcon.util.wrap_sync_to_async(sum, threadsafe=False)
    return await falcon.sync_to_async(sum, [1, 2]), await shared([3, 4])
print(falcon.async_to_sync(elsewhere))
async def loop():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return falcon.get_running_loop() is asyncio.get_running_loop()
print(falcon.async_to_sync(loop))

import falcon.asgi, falcon.testing
class Resource:
    async def on_get(self, req, resp):
        resp.media = {"async": True}
    async def on_post(self, req, resp):
        raise falcon.HTTPBadRequest(title="wrong")
app = falcon.asgi.App()
app.add_route("/", Resource())
print(falcon.testing.simulate_get(app, "/").text)
print(falcon.testing.simulate_post(app, "/", headers={"Accept": "text/xml"}).text)
"""
    )
    assert out.splitlines() == [
        "5 5",
        "(3, 7)",
        "True",
        '{"async": true}',
        '<?xml version="1.0" encoding="UTF-8"?><error><title>wrong</title></error>',
    ]


def test_the_parts_of_falcon_that_are_imported_lazily_work(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("page")
    out = run_script(
        FALCON
        + f"""
import pathlib
import falcon.testing
seen = []

def note(req, resp, resource, params):
    seen.append(req.path)

class Resource:
    @falcon.before(note)
    @falcon.hooks.before(note)
    def on_post(self, req, resp):
        resp.media = [req.media, req.client_accepts("text/html"), req.client_prefers(["a/b"])]

@falcon.before(note)
class Other(Resource):
    pass

app = falcon.App()
app.add_route("/", Other())
app.add_static_route("/files", pathlib.Path({str(tmp_path)!r}))
print(falcon.testing.simulate_post(app, "/", json=1, headers={{"Accept": "text/*"}}).json)
print(seen, falcon.testing.simulate_get(app, "/files/page.html").text)
request = falcon.Request(falcon.testing.create_environ("/", query_string="a=1"))
print(falcon.uri.decode("a%20b"), falcon.uri.encode("a b"), request.params)
headers = {{"Forwarded": "for=1.2.3.4;host=h"}}
request = falcon.Request(falcon.testing.create_environ("/", headers=headers))
part = falcon.Forwarded()
print(request.forwarded_host, isinstance(request.forwarded[0], falcon.Forwarded), part.host)
print(falcon.parse_header("a; b=c"), falcon.mediatypes.quality("a/b", "a/*"))
print(falcon.util.mediatypes.best_match(["a/b"], "a/*"), falcon.secure_filename("\u00c5.txt"))

from falcon.routing import StaticRoute
from falcon.routing.static import StaticRoute as itself
class Own(StaticRoute):
    pass
own = Own("/own", {str(tmp_path)!r})
print(type(own) is Own, isinstance(own, StaticRoute), isinstance(own, itself))
print(issubclass(Own, StaticRoute), isinstance(1, StaticRoute))
"""
    )
    assert out.splitlines() == [
        "[1, True, None]",
        "['/', '/', '/'] page",
        "a b a%20b {'a': '1'}",
        "h True None",
        "('a', {'b': 'c'}) 1.0",
        "a/b A_.txt",
        "True True True",
        "True False",
    ]


def test_urls_with_addresses_are_read_though_ipaddress_is_imported_lazily() -> None:
    out = run_script(
        """
import sys
from fcplug.process import lazy_imports

lazy_imports.import_urllib()
assert "ipaddress" not in sys.modules
from urllib.parse import urlsplit
print(urlsplit("http://[::1]:80/a").hostname)
import ipaddress
print(type(ipaddress) is type(sys), ipaddress.ip_address("::1"))
""",
        unmeasured(),  # coverage imports it, too
    )
    assert out.splitlines() == ["::1", "True ::1"]


def test_open_files_are_passed_though_array_is_imported_lazily() -> None:
    out = run_script(
        """
import sys
from fcplug.process import lazy_imports

lazy_imports.import_socket()
assert "array" not in sys.modules
import os, socket
one, other = socket.socketpair()
socket.send_fds(one, [b"a"], [1])
print(len(socket.recv_fds(other, 1, 1)[1]), type(sys.modules["array"]) is type(sys))
""",
        unmeasured(),  # coverage imports it, too
    )
    assert out.splitlines() == ["1 True"]


def test_httptools_reads_urls_though_its_parser_of_them_is_imported_lazily() -> None:
    out = run_script(
        """
import sys
from fcplug.process import lazy_imports

lazy_imports.import_httptools()
assert "httptools.parser.url_parser" not in sys.modules
import httptools
print(httptools.parse_url(b"/a?b").query, httptools.parser.parse_url(b"/a").path)
try:
    httptools.parse_url(b"a b")
except httptools.HttpParserInvalidURLError:
    print("invalid")
from httptools.parser.url_parser import parse_url
print(parse_url(b"http://c/").host)
"""
    )
    assert out.splitlines() == ["b'b' b'/a'", "invalid", "b'c'"]


def test_an_import_after_the_context_gets_the_module_itself() -> None:
    run_script(
        FALCON
        + """
import asyncio.events, http.cookiejar, xml.etree.ElementTree as tree
from asyncio import Future

assert asyncio.Future is Future
for module in (asyncio, http.cookiejar, tree):
    assert type(module) is type(sys) and module.__file__
"""
    )


def test_a_module_that_is_imported_already_is_left_alone() -> None:
    import json  # noqa: PLC0415

    with lazy_modules("json"):
        assert sys.modules["json"] is json


def test_an_import_that_fails_leaves_no_proxy_behind() -> None:
    assert "wave" not in sys.modules
    with pytest.raises(ModuleNotFoundError), lazy_modules("wave"):
        importlib.import_module("wave.nowhere")
    assert "wave" not in sys.modules


def test_a_missing_attribute_is_reported_when_it_is_used() -> None:
    with lazy_modules("wave"):
        import wave  # noqa: PLC0415

        nothing = wave.nothing  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            _ = wave.__path__
    assert nothing.__name__ == "nothing"
    with pytest.raises(AttributeError, match="nothing"):
        nothing()
    with pytest.raises(AttributeError, match="nothing"):
        _ = wave.nothing  # type: ignore[attr-defined]
    assert wave.open is sys.modules["wave"].open


def test_an_object_created_in_the_context_is_created_once_at_its_first_use() -> None:
    with lazy_modules("queue"):
        import queue  # noqa: PLC0415

        line: queue.Queue[str] = queue.Queue(3)
    line.put("a")
    assert (line.get(), line.maxsize) == ("a", 3)


def test_msgspec_and_waitress_work_with_lazy_imports() -> None:
    out = run_script(
        """
import sys
from fcplug.process import lazy_imports

lazy_imports.import_msgspec()
lazy_imports.import_waitress()
assert not {"msgspec.inspect", "msgspec._json_schema", "calendar", "getopt"} & sys.modules.keys()

import msgspec, waitress.adjustments, waitress.utilities
print(msgspec.inspect.type_info(int), msgspec.json.schema(list[int]))
print(waitress.utilities.parse_http_date("Thu, 01 Jan 1970 00:00:09 GMT"))
print(waitress.adjustments.Adjustments.parse_args(["--port=1", "a:b"])[0]["port"])
assert isinstance(msgspec.inspect.type_info(int), msgspec.inspect.IntType)
"""
    )
    assert out.splitlines() == [
        "IntType(gt=None, ge=None, lt=None, le=None, multiple_of=None) "
        "{'type': 'array', 'items': {'type': 'integer'}}",
        "9",
        "1",
    ]


def test_uuid_and_waitress_know_the_system_although_platform_is_not_imported() -> None:
    out = run_script(
        """
import sys
from fcplug.process import lazy_imports

lazy_imports.import_msgspec()
lazy_imports.import_waitress()
assert "platform" not in sys.modules

import platform, uuid, waitress.compat
assert not waitress.compat.WIN
print(platform.system() == "Linux", getattr(uuid, "_LINUX", True), uuid.uuid1() != uuid.uuid1())
print(type(platform) is type(sys), bool(platform.python_version()))
""",
        unmeasured(),  # coverage imports it, too
    )
    assert out.splitlines() == ["True True True", "True True"]


def test_other_code_gets_the_media_types_of_the_system() -> None:
    run_script(
        """
import mimetypes
from fcplug.process.lazy_imports import without_media_types_of_the_system

with without_media_types_of_the_system():
    import falcon
    falcon.App()
known = dict(mimetypes.types_map)
assert not mimetypes.inited
assert falcon.App().resp_options.static_media_types[".json"] == "application/json"
assert mimetypes.inited
assert mimetypes.guess_type("a.html")[0] == "text/html"
"""
    )


NEEDLESS = {
    *SELDOM,
    *(
        "argparse",
        "array",
        "base64",
        "calendar",
        "email",
        "getopt",
        "hashlib",
        "httptools.parser.url_parser",
        "importlib.metadata",
        "msgspec.inspect",
    ),
    *("mmap", "platform", "queue", "shlex", "ssl", "yaml"),
    *("fcplug.config.yaml_strict", "fcplug.process.supervisor", "fcplug.workers"),
}
CONFIG = """\
version: 1
functions:
  loaded: {handler: which.loaded}
  awaited: {handler: which.awaited}
"""
WHICH = """\
import sys

def loaded(event, context):
    return sorted(sys.modules)

async def awaited(event, context):
    import asyncio
    await asyncio.sleep(0)
    return asyncio.__name__
"""


def test_a_start_of_a_built_package_imports_only_what_an_invocation_needs(tmp_path: Path) -> None:
    bare = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-c", "import sys; print(*sys.modules)"]
    before = subprocess.run(command, env=bare, capture_output=True, text=True, check=True).stdout
    folder = deploy(tmp_path, CONFIG, {"which.py": WHICH})
    store(folder / "config" / "functions.yaml")
    with start(folder, environ={"FC_FUNCTION_NAME": "loaded", "FC_INSTANCE_ID": "i"}) as instance:
        loaded = set(json.loads(instance.invoke("loaded").body)) - set(before.split())
        assert loaded & NEEDLESS == set()
        assert {"falcon", "waitress", "pluggy", "msgspec"} <= loaded
        assert instance.invoke("awaited").body == b"asyncio"
