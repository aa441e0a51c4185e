from waitress.adjustments import Adjustments

class HTTPRequestParser:
    completed: bool
    headers_finished: bool
    body_bytes_received: int
    error: object
    command: str
    path: str
    headers: dict[str, str]
    def __init__(self, adj: Adjustments) -> None: ...
    def received(self, data: bytes) -> int: ...
    def close(self) -> None: ...
