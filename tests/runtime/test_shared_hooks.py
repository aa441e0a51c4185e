"""Edits while functions share a module: no edit closes what lives, and what is opened is closed.

Every kind of function keeps a connection, and fails once it is closed. The log has a line for each
that is opened or closed. All edits are made to a running instance.
"""

from pathlib import Path

import pytest

from support.edited import MODES, Edited, run
from support.waiting import wait_until

KEYS = """\
from opening import Store
store = None

def initializer(context):
    global store
    store = Store()

def handler(event, context):
    return store.row()

def pre_stop(context):
    store.close()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [store.row().encode()]
"""
HOOKS = """\
from fcplug import hookimpl
from opening import Store
store = None

@hookimpl
def initialize():
    global store
    store = Store()

@hookimpl
async def invoke(event):
    return store.row()

@hookimpl
def pre_stop(context):
    store.close()
"""
CLASS = """\
from fcplug import hookimpl
import os
from opening import Store

class Handler:
    def __init__(self, word="none"):
        pass

    @hookimpl
    def initialize(self):
        self.store = Store()

    @hookimpl
    def invoke(self):
        return self.store.row()

    @hookimpl
    def pre_stop(self):
        self.store.close()

class Strict(Handler):
    def __init__(self, broken=False):
        self.broken = broken

    @hookimpl
    def initialize(self):
        if self.broken:
            raise OSError("the database is not there")

    @hookimpl
    def pre_stop(self):
        pass

    @hookimpl
    def invoke(self):
        return f"row {os.getpid()}"
"""
ASGI = """\
from opening import Store

class Pool:
    store = None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            self.store = scope["state"]["store"] = Store()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.store.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert scope["state"]["store"] is self.store
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.store.row().encode()})

app = Pool()
"""
FUNCTION = """\
from opening import Store
store = Store()

def handler():
    return store.row()
"""
FILES = {
    "keys.py": KEYS,
    "acme/__init__.py": "from acme import hooks\n",
    "acme/hooks.py": HOOKS,
    "classes.py": CLASS,
    "pool.py": ASGI,
    "plain.py": FUNCTION,
}
_BOTH = "initializer: keys.initializer, pre_stop: keys.pre_stop"
KINDS = {
    "function": "handler: plain.handler",
    "module": "handler: 'acme:hooks'",
    "class": "handler: classes.Handler",
    "keys": f"handler: keys.handler, {_BOTH}",
    "wsgi": f"wsgi: 'keys:app', {_BOTH}",
    "asgi": "asgi: 'pool:app'",
}


def entry(name: str, kind: str, **keys: object) -> str:
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    return f"{name}: {{{KINDS[kind]}{more}}}"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_edit_closes_what_lives(tmp_path: Path, kind: str, mode: str) -> None:
    strict = "strict: {handler: classes.Strict}"
    with run(tmp_path, FILES, mode, entry("a", kind), entry("b", kind), strict) as edited:
        walk(edited, kind, mode)
    journal = edited.journal
    assert max([*journal.opened.values(), *journal.closed.values()]) == 1
    assert kind == "function" or not journal.live


def walk(edited: Edited, kind: str, mode: str) -> None:
    """Make every kind of edit, and call what serves after each."""
    a, b, strict = entry("a", kind), entry("b", kind), "strict: {handler: classes.Strict}"
    edited.rows("a", "b", "strict")
    before = edited.journal
    alone = kind == "class" or mode == "process"  # b has what it opened for itself
    processes = 2 if mode == "processes" and kind != "function" else 1  # that opens at its import
    assert len(before.live) == processes * (2 if alone else 1)

    limits = {"timeout": 30, "concurrency": 3, "queue": 2}
    edited.edit(entry("a", kind, **limits), b, strict)
    edited.rows("a", "b")
    for refusal in [
        ("strict: {handler: classes.Strict, timeout: no}",),
        ("strict: {handler: classes.Missing}",),
        ("strict: {handler: classes.Strict, settings: {broken: true}}",),
    ]:
        edited.edit(entry("a", kind, middleware="[]"), b, *refusal, refused=True)
        edited.rows("a", "b", "strict")
    assert edited.journal == before, "an edit of limits and refused edits open and close nothing"

    edited.edit(a, strict)
    edited.rows("a")
    edited.edit(a, b, strict)
    edited.rows("a", "b")
    edited.edit(entry("renamed", kind), b, strict)
    edited.rows("renamed", "b")
    if not alone:
        assert edited.journal == before, "the module was in use all the time"

    edited.edit(entry("renamed", kind, settings="{word: other}"), strict)
    edited.rows("renamed")
    edited.edit(strict)
    edited.edit(a, strict)
    edited.rows("a")
    assert edited.instance.stop() == 0


def test_an_edit_of_many_functions_stops_each_of_them_once(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(100)]
    with run(tmp_path, FILES, "thread", *(entry(name, "class") for name in names)) as edited:
        edited.rows(*names)
        before = edited.journal
        edited.edit(*(entry(name, "class", settings="{word: new}") for name in names))
        edited.rows(*names)
        wait_until(lambda: edited.journal.closed == before.opened)
        assert len(edited.journal.live) == 100
        edited.edit(entry("f0", "class", settings="{word: new}"))
        assert edited.instance.stop() == 0, edited.instance.log[-2000:]
    assert edited.journal.opened == edited.journal.closed
