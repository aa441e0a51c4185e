from socket import socket
from typing import Any

from _typeshed.wsgi import WSGIApplication
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.task import ThreadedTaskDispatcher
from waitress.trigger import trigger
from waitress.wasyncore import dispatcher

class BaseWSGIServer(dispatcher):
    channel_class: type[HTTPChannel]
    adj: Adjustments
    active_channels: dict[int, HTTPChannel]
    trigger: trigger
    task_dispatcher: ThreadedTaskDispatcher
    server_name: str
    effective_port: int
    def __init__(
        self,
        application: WSGIApplication,
        *,
        map: dict[int, dispatcher],
        _sock: socket,
        dispatcher: object,
        adj: Adjustments,
        bind_socket: bool,
        sockinfo: tuple[int, int, int, object],
    ) -> None: ...
    def run(self) -> None: ...
    def add_task(self, task: Any) -> None: ...
    def pull_trigger(self) -> None: ...
    def handle_accept(self) -> None: ...
    def set_socket_options(self, conn: socket) -> None: ...

class TcpWSGIServer(BaseWSGIServer): ...
