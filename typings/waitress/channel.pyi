from socket import socket
from threading import Condition, Lock
from typing import Any

from waitress.adjustments import Adjustments
from waitress.task import ErrorTask, Task
from waitress.wasyncore import dispatcher

class ClientDisconnected(Exception): ...

class HTTPChannel(dispatcher):
    task_class: type[Task]
    error_task_class: type[ErrorTask]
    parser_class: type[Any]
    server: Any
    adj: Adjustments
    addr: Any
    request: Any
    requests: list[Any]
    requests_lock: Lock
    outbuf_lock: Condition
    last_activity: float
    will_close: bool
    close_when_flushed: bool
    sent_continue: bool
    current_outbuf_count: int
    total_outbufs_len: int
    def __init__(
        self,
        server: object,
        sock: socket,
        addr: object,
        adj: Adjustments,
        map: dict[int, dispatcher],
    ) -> None: ...
    def service(self) -> None: ...
    def write_soon(self, data: object) -> int: ...
    def handle_write(self) -> None: ...
    def handle_close(self) -> None: ...
    def send_continue(self) -> None: ...
