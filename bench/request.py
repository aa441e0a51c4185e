"""The requests as Function Compute sends them: POST /invoke with 26 headers; GET for web calls."""

from dataclasses import dataclass

ANSWER = b"Hello, World!"
EVENT = b'{"key": "value", "padding": "%s"}' % (b"x" * 225)  # 256 bytes of JSON
_TOKEN = "CAISxvQBCBkQARgB" * 37 + "CAISxvQB"  # 600 bytes, like a real one
_FUNCTION_COMPUTE = {
    "X-Fc-Request-Id": "1-67a59f35-150c1267-f381ba1c085c",
    "X-Fc-Access-Key-Id": "STS.NUxxxxxxxxxxxxxxxxxxxxxxx",
    "X-Fc-Access-Key-Secret": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "X-Fc-Security-Token": _TOKEN,
    "X-Fc-Function-Handler": "index.handle",
    "X-Fc-Function-Memory": "512",
    "X-Fc-Function-Timeout": "60",
    "X-Fc-Function-Initializer": "index.initialize",
    "X-Fc-Initialization-Timeout": "60",
    "X-Fc-Region": "cn-hangzhou",
    "X-Fc-Account-Id": "1234567890123456",
    "X-Fc-Qualifier": "LATEST",
    "X-Fc-Version-Id": "1",
    "X-Fc-Service-Name": "bench",
    "X-Fc-Service-Logproject": "bench-project",
    "X-Fc-Service-Logstore": "bench-store",
    "X-Fc-Control-Path": "/invoke",
    "X-Fc-Retry-Count": "0",
    "X-Fc-Client-Ip": "203.0.113.7",
}


@dataclass(frozen=True)
class Request:
    """A call of a function, and the expected answer; None accepts any answer.

    Any other path than ``/invoke`` is a web call, without a body.
    """

    function: str = "bench"
    body: bytes = EVENT
    answer: bytes | None = ANSWER
    close: bool = False
    path: str = "/invoke"

    @property
    def method(self) -> str:
        """Return the method: POST with a body, else GET."""
        return "POST" if self.body else "GET"

    @property
    def headers(self) -> dict[str, str]:
        """Return all header fields, 26 with a body."""
        length = {
            "Content-Length": str(len(self.body)),
            "Content-Type": "application/octet-stream",
        }
        web = {} if self.path == "/invoke" else {"X-Fc-Control-Path": "/http-invoke"}
        return {
            "Host": "127.0.0.1:9000",
            "User-Agent": "Go-http-client/1.1",
            **(length if self.body else {}),
            "Accept-Encoding": "gzip",
            "Connection": "close" if self.close else "keep-alive",
            "X-Fc-Function-Name": self.function,
            **_FUNCTION_COMPUTE,
            **web,
        }

    @property
    def raw(self) -> bytes:
        """Return the bytes on the wire."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{fields}\r\n".encode("latin-1") + self.body

    @property
    def lua(self) -> str:
        """Return the request as a script for wrk."""
        fields = (
            f"wrk.headers[{quoted(name.encode())}] = {quoted(value.encode())}\n"
            for name, value in self.headers.items()
            if name != "Content-Length"  # wrk adds its own
        )
        body = f"wrk.body = {quoted(self.body)}\n" if self.body else ""
        return f'wrk.method = "{self.method}"\n{body}{"".join(fields)}'


def quoted(data: bytes) -> str:
    """Return bytes as a string literal of Lua."""
    return '"' + "".join(f"\\{byte:03d}" for byte in data) + '"'
