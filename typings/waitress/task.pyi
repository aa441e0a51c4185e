from collections import deque
from collections.abc import Callable
from threading import Condition, Lock
from typing import Any

from waitress.channel import HTTPChannel

class ThreadedTaskDispatcher:
    threads: set[int]
    active_count: int
    queue: deque[HTTPChannel]
    lock: Lock
    queue_cv: Condition
    thread_exit_cv: Condition
    def start_new_thread(self, target: Callable[[int], None], thread_no: int) -> None: ...
    def set_thread_count(self, count: int) -> None: ...
    def add_task(self, task: HTTPChannel) -> None: ...

class Task:
    channel: Any
    request: Any
    close_on_finish: bool
    status: str
    version: str
    start_time: float
    has_body: bool
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
    def get_environment(self) -> dict[str, Any]: ...
