"""The editor of a function's page: sample events, and calls with what was written."""

import base64
import binascii
import json
import threading
from collections.abc import Mapping
from typing import NamedTuple

import falcon

from fcplug.console import content
from fcplug.events import samples
from fcplug.events.kinds import TYPES
from fcplug.platform import headers
from fcplug.platform.answers import ApiError
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.invoking import check_size
from fcplug.platform.model import Call, FunctionConfig, Outcome, Platform

MODES = {"event": "Event", "async": "Asynchronous event", "web": "Web request"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_AT_ONCE = 8  # calls that pages wait for


class Draft(NamedTuple):
    """What the editor holds. ``encoded``: the text is base64, for bytes that are no text."""

    mode: str = "event"
    text: str = ""
    encoded: bool = False
    method: str = "GET"
    target: str = "/"
    headers: str = ""
    sample: str = ""

    @classmethod
    def of(cls, form: Mapping[str, bytes]) -> "Draft":
        """Return what a form was filled in with."""
        mode = _line(form, "mode")
        return cls(
            mode=mode if mode in MODES else "event",
            text=_line(form, "text"),
            encoded="encoded" in form,
            method=_line(form, "method") or "GET",
            target=_line(form, "target") or "/",
            headers=_line(form, "headers"),
        )

    @classmethod
    def of_sample(cls, kind: str) -> "Draft":
        """Return a sample event of a trigger; an empty draft if there is none of that kind."""
        if kind not in TYPES:
            return cls()
        try:
            event = samples.event(kind)
        except ImportError:  # the event of Tablestore is CBOR, which an extra writes
            return cls()
        try:
            document = json.loads(event)
        except ValueError:
            pass
        else:
            text = json.dumps(document, indent=2, ensure_ascii=False)
            return cls(text=text, sample=kind)
        shown = content.of_bytes(event)
        if shown.kind == "text":
            return cls(text=event.decode(), sample=kind)
        return cls(text=base64.b64encode(event).decode(), encoded=True, sample=kind)


class Done(NamedTuple):
    """What came of a call from the editor: its outcome, its task, or why there is none."""

    call: Call | None = None
    outcome: Outcome | None = None
    task: str = ""
    refused: str = ""


class Calls:
    """Runs the calls of the editor, a few at a time: each holds a thread of the console."""

    def __init__(self, platform: Platform, queue: AsyncQueue) -> None:
        self._platform = platform
        self._queue = queue
        self._room = threading.Semaphore(_AT_ONCE)

    def run(self, function: FunctionConfig, draft: Draft, upload: bytes, client_ip: str) -> Done:
        """Call a function with a draft, or with the file that was sent along."""
        try:
            call = _call(function, draft, upload, client_ip)
            if draft.mode == "async":
                return Done(call=call, task=self._queue.accept(call))
        except (ApiError, ValueError) as error:
            return Done(refused=str(error))
        if not self._room.acquire(blocking=False):
            text = f"{_AT_ONCE} calls from the console are running: wait for one to end"
            return Done(refused=text)
        try:
            return Done(call=call, outcome=self._platform.invoke(call))
        finally:
            self._room.release()


def _call(function: FunctionConfig, draft: Draft, upload: bytes, client_ip: str) -> Call:
    """Return the call of a draft.

    Raises:
        ApiError: the event is too large.
        ValueError: a field cannot be used.
    """
    payload = upload or _payload(draft)
    web = draft.mode == "web"
    check_size(len(payload), is_async=draft.mode == "async", web=web)
    call = Call(
        function=function.name,
        request_id=headers.new_request_id(function.headers),
        payload=payload,
        client_ip=client_ip,
    )
    if not web:
        return call
    target = draft.target
    if not target.startswith("/") or not target.isascii() or not target.isprintable():
        raise ValueError("the path must begin with / and have ASCII characters only")
    if draft.method not in METHODS:
        raise ValueError(f"the method must be one of {', '.join(METHODS)}")
    return Call(
        function=call.function,
        request_id=call.request_id,
        payload=payload,
        client_ip=client_ip,
        method=draft.method,
        target=target.replace(" ", "%20"),
        headers=_fields(draft.headers),
        kind="http",
    )


def _payload(draft: Draft) -> bytes:
    if not draft.encoded:
        return draft.text.encode()
    try:
        return base64.b64decode("".join(draft.text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the event is not base64: {error}") from None


def _fields(text: str) -> list[tuple[str, str]]:
    fields = []
    for line in text.splitlines():
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"the header {content.printable(line[:60])!r} is not NAME: VALUE")
        fields.append((name.strip().lower(), value.strip()))
    return fields


def _line(form: Mapping[str, bytes], name: str) -> str:
    """Return the text of a field; browsers end its lines with CR LF."""
    return form.get(name, b"").decode("utf-8", "replace").replace("\r\n", "\n")


def sample_kinds() -> list[str]:
    """Return the kinds of event that there is a sample of."""
    return list(TYPES)


def client_of(request: falcon.Request) -> str:
    """Return the address that a call of the editor comes from."""
    return str(request.remote_addr)
