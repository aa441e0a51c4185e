from collections import deque
from typing import Any

from _typeshed.wsgi import WSGIEnvironment
from waitress.channel import HTTPChannel

class Task:
    channel: Any
    request: Any
    close_on_finish: bool
    status: str
    version: str
    start_time: float
    wrote_header: bool
    complete: bool
    content_length: int | None
    content_bytes_written: int
    chunked_response: bool
    response_headers: list[tuple[str, str]]
    def __init__(self, channel: HTTPChannel, request: Any) -> None: ...
    def start(self) -> None: ...
    def execute(self) -> None: ...
    def finish(self) -> None: ...
    def service(self) -> None: ...
    def write(self, data: bytes) -> None: ...
    def build_response_header(self) -> bytes: ...
    def set_close_on_finish(self) -> None: ...

class ErrorTask(Task): ...

class WSGITask(Task):
    def get_environment(self) -> WSGIEnvironment: ...

class ThreadedTaskDispatcher:
    queue: deque[HTTPChannel]
