"""What this server relies on in waitress: a release that changes any of it fails here.

``typings/waitress`` declares every name that is used; the first tests hold it against the
installed waitress, the others hold the behaviour behind the names.
"""

import ast
import importlib
import inspect
import os
import socket
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.buffers import OverflowableBuffer, ReadOnlyFileBasedBuffer
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask

STUBS = Path(__file__).resolve().parents[3] / "typings" / "waitress"


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


class Line(ThreadedTaskDispatcher):
    """A dispatcher whose requests wait until a test runs them."""


class Stock:
    """A server of waitress with one connection; the test turns its loop."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.settings = Adjustments(sockets=[self.listener])
        self.server = TcpWSGIServer(
            hello,
            map={},
            _sock=self.listener,
            dispatcher=Line(),
            adj=self.settings,
            bind_socket=False,
            sockinfo=(socket.AF_INET, socket.SOCK_STREAM, 0, self.listener.getsockname()),
        )
        self.client = socket.create_connection(self.listener.getsockname(), timeout=30)
        while not self.server.active_channels:
            self.turn()
        (self.channel,) = self.server.active_channels.values()

    def turn(self) -> None:
        wasyncore.poll2(0.05, self.server._map)

    def send(self, data: bytes) -> None:
        self.client.sendall(data)
        self.turn()

    def close(self) -> None:
        self.client.close()
        self.listener.close()
        for each in list(self.server._map.values()):
            each.close()
        self.server.trigger.close()


@pytest.fixture
def stock() -> Iterator[Stock]:
    stock = Stock()
    yield stock
    stock.close()


def declared() -> Iterator[tuple[str, ast.ClassDef]]:
    for stub in sorted(STUBS.glob("*.pyi")):
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                yield f"waitress.{stub.stem}", node


def instances(stock: Stock) -> dict[str, object]:
    request = SimpleNamespace(version="1.1", headers={}, command="GET", path="/")
    return {
        "HTTPChannel": stock.channel,
        "dispatcher": stock.channel,
        "BaseWSGIServer": stock.server,
        "TcpWSGIServer": stock.server,
        "trigger": stock.server.trigger,
        "ThreadedTaskDispatcher": stock.server.task_dispatcher,
        "Adjustments": stock.settings,
        "Task": WSGITask(stock.channel, request),
        "WSGITask": WSGITask(stock.channel, request),
        "ErrorTask": ErrorTask(stock.channel, request),
        "OverflowableBuffer": OverflowableBuffer(9),
        "ReadOnlyFileBasedBuffer": ReadOnlyFileBasedBuffer(BytesIO()),
    }


@pytest.mark.parametrize(
    ("module", "node"), list(declared()), ids=lambda value: getattr(value, "name", value)
)
def test_every_name_relied_upon_is_there_and_of_its_kind(
    stock: Stock, module: str, node: ast.ClassDef
) -> None:
    there = getattr(importlib.import_module(module), node.name)
    assert inspect.isclass(there)
    if issubclass(there, Exception):
        return
    instance: Any = instances(stock)[node.name]
    assert isinstance(instance, there)
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            method = there.__init__ if part.name == "__init__" else getattr(instance, part.name)
            signature = inspect.signature(method)
            for argument in (*part.args.args[1:], *part.args.kwonlyargs):
                taken = argument.arg in signature.parameters or "kw" in signature.parameters
                assert taken, (part.name, argument.arg)
        elif isinstance(part, ast.AnnAssign):
            assert isinstance(part.target, ast.Name)
            assert hasattr(instance, part.target.id), part.target.id


@pytest.mark.parametrize("function", [wasyncore.read, wasyncore.write])
def test_functions_relied_upon_are_there(function: Any) -> None:
    assert list(inspect.signature(function).parameters) == ["obj"]


def test_settings_are_given_by_name_and_unknown_ones_refused(stock: Stock) -> None:
    assert stock.settings.outbuf_overflow == 1 << 20
    assert stock.settings.inbuf_overflow == 512 * 1024
    with pytest.raises(ValueError, match="Unknown adjustment"):
        Adjustments(sockets=[stock.listener], no_such_setting=1)


def test_the_listener_given_is_used_and_made_non_blocking(stock: Stock) -> None:
    assert stock.server.socket is stock.listener
    assert stock.server.accepting
    assert not stock.listener.getblocking()


def test_a_channel_is_in_the_map_and_among_the_active_until_it_is_closed(stock: Stock) -> None:
    number = stock.channel.socket.fileno()
    assert stock.server._map[number] is stock.channel
    stock.channel.handle_close()
    assert (number in stock.server._map, stock.server.active_channels) == (False, {})
    assert not stock.channel.connected


def test_deleting_the_listener_from_the_map_stops_its_events(stock: Stock) -> None:
    number = stock.listener.fileno()
    stock.server.del_channel()
    assert number not in stock.server._map


def test_a_byte_to_the_trigger_ends_a_poll_and_is_taken(stock: Stock) -> None:
    wake = stock.server.trigger.trigger
    for pull in (lambda: os.write(wake, b"\x0f"), stock.server.pull_trigger):
        pull()
        started = time.monotonic()
        wasyncore.poll2(60, stock.server._map)
        assert time.monotonic() - started < 30


def test_a_full_trigger_raises_blocking_io_error_once_it_does_not_block(stock: Stock) -> None:
    os.set_blocking(stock.server.trigger.trigger, False)
    with pytest.raises(BlockingIOError):
        fill(stock.server)
    stock.turn()


def fill(server: TcpWSGIServer) -> None:
    for _ in range(1 << 20):
        server.pull_trigger()


def test_the_loop_asks_readable_and_writable_at_every_turn(stock: Stock) -> None:
    stock.channel.will_close = True  # as a clock does
    stock.turn()
    assert stock.client.recv(1) == b""
    assert not stock.server.active_channels


def test_a_complete_request_is_queued_with_its_lock_held(stock: Stock) -> None:
    stock.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET")
    assert [request.path for request in stock.channel.requests] == ["/", "/2"]
    assert list(stock.server.task_dispatcher.queue) == [stock.channel]
    assert stock.channel.request is not None
    assert not stock.channel.readable()


def test_service_answers_the_first_request_and_queues_the_channel_again(
    stock: Stock,
) -> None:
    stock.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    queue = stock.server.task_dispatcher.queue
    queue.popleft().service()
    assert [request.path for request in stock.channel.requests] == ["/2"]
    assert list(queue) == [stock.channel]
    assert stock.client.recv(999).startswith(b"HTTP/1.1 200 OK")


def test_classes_of_parser_task_and_channel_are_looked_up_on_their_owner() -> None:
    assert TcpWSGIServer.channel_class is HTTPChannel
    assert HTTPChannel.task_class is WSGITask
    assert HTTPChannel.error_task_class is ErrorTask
    assert inspect.isclass(HTTPChannel.parser_class)


class Scripted:
    """The least a channel and its tasks ask of a parser."""

    completed = empty = headers_finished = expect_continue = False
    error = None
    command, path, query, request_uri = "GET", "/", "", "/"
    version, url_scheme = "1.1", "http"

    def __init__(self, adj: object) -> None:
        self.headers: dict[str, str] = {}

    def received(self, data: bytes) -> int:
        self.completed = data.endswith(b"!")
        self.empty = data == b"empty!"
        self.headers_finished = self.expect_continue = data == b"wait"
        return len(data)

    def get_body_stream(self) -> Any:
        return BytesIO()

    def close(self) -> None:
        self.closed = True


def test_a_parser_needs_no_more_than_ours_has(stock: Stock) -> None:
    stock.channel.parser_class = Scripted
    stock.send(b"go")
    stock.send(b"!")
    stock.server.task_dispatcher.queue.popleft().service()
    assert stock.client.recv(999).endswith(b"\r\n\r\nhello")
    stock.send(b"empty!")
    assert (stock.channel.requests, stock.channel.request) == ([], None)


def test_a_continue_is_sent_when_asked_for_and_resets_completed(stock: Stock) -> None:
    stock.channel.parser_class = Scripted
    stock.send(b"wait")
    assert stock.client.recv(99) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not stock.channel.request.expect_continue


def test_a_task_is_started_executed_finished_and_may_close_the_connection(stock: Stock) -> None:
    stock.channel.parser_class = Scripted
    task = WSGITask(stock.channel, Scripted(None))
    task.start()
    task.set_close_on_finish()
    task.response_headers.append(("x-a", "b"))
    head = task.build_response_header()
    assert task.close_on_finish
    assert head.startswith(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
    assert b"\r\nX-A: b\r\n" in head
    assert task.chunked_response


def test_a_task_that_closes_drops_the_other_requests_and_closes_when_sent(stock: Stock) -> None:
    stock.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" * 2)
    stock.server.task_dispatcher.queue.popleft().service()
    assert (stock.channel.requests, stock.channel.close_when_flushed) == ([], True)
    assert not stock.channel.readable()


def test_a_base_exception_still_needs_our_own_guard(stock: Stock) -> None:
    def leave(*_: object) -> list[bytes]:
        raise SystemExit(3)

    stock.server.application = leave  # type: ignore[attr-defined]
    stock.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises(SystemExit):
        stock.server.task_dispatcher.queue.popleft().service()
    assert stock.channel.requests  # nothing ever removes it


def test_writing_to_a_closed_channel_raises(stock: Stock) -> None:
    stock.channel.handle_close()
    with pytest.raises(ClientDisconnected):
        stock.channel.write_soon(b"x")


def test_a_file_buffer_is_sent_from_where_it_is(stock: Stock, tmp_path: Path) -> None:
    path = tmp_path / "answer"
    path.write_bytes(b"0123456789")
    buffer = ReadOnlyFileBasedBuffer(path.open("rb"))
    assert (buffer.prepare(), len(buffer)) == (10, 10)
    assert stock.channel.write_soon(buffer) == 10
    stock.turn()
    assert stock.client.recv(99) == b"0123456789"
    assert not stock.channel.total_outbufs_len


def test_a_large_body_goes_to_a_file_without_a_name() -> None:
    buffer = OverflowableBuffer(10)
    buffer.append(b"x" * 10_000)
    buffer.append(b"y")
    assert (len(buffer), buffer.getfile().read()) == (10_001, b"x" * 10_000 + b"y")
    assert buffer.getfile().fileno() > 2
    buffer.close()


@pytest.mark.parametrize(
    ("function", "method"),
    [(wasyncore.read, "handle_read_event"), (wasyncore.write, "handle_write_event")],
)
def test_an_event_is_one_call_whose_failure_closes_the_connection(
    stock: Stock, function: Any, method: str
) -> None:
    def fail() -> None:
        raise ValueError(method)

    setattr(stock.channel, method, fail)
    function(stock.channel)
    assert not stock.channel.connected


def test_flushing_is_where_handle_write_sends(stock: Stock) -> None:
    stock.channel.write_soon(b"x" * 100)
    assert stock.channel.total_outbufs_len == 0
    assert stock.client.recv(200) == b"x" * 100
    assert {"close_when_flushed", "will_close"} <= set(HTTPChannel.handle_write.__code__.co_names)
