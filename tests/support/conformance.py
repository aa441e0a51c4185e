"""The conformance table: what FC sends, what it must get back, and the log lines.

Rows are numbered as the checklist of FC's custom-runtime contract that they prove. The same table
runs in process and over a socket against ``bootstrap``.
"""

from typing import NamedTuple

CONFIG = """\
version: 1
runtime: {trust_callers: true, access_log: false}  # its lines have tests of their own
functions:
  echo: {handler: conformance_functions.echo}
  nothing: {handler: "conformance_functions:nothing"}
  text: {handler: conformance_functions.text}
  values: {handler: conformance_functions.values}
  unserializable: {handler: conformance_functions.unserializable}
  failing: {handler: conformance_functions.failing}
  leaking: {handler: conformance_functions.leaking}
  exiting: {handler: conformance_functions.exiting}
  talking: {handler: conformance_functions.talking}
  web: {handler: conformance_functions.web}
  whoami: {handler: conformance_functions.whoami}
  newer: {handler: conformance_functions.newer}
  counting: {handler: conformance_functions.Counting}
  freezing: {handler: conformance_functions.Counting}
  stopping: {handler: conformance_functions.Counting}
  lazily: {handler: conformance_functions.Counting}
  failing-once: {handler: conformance_functions.FailingOnce}
  failing-once-lazily: {handler: conformance_functions.FailingOnce}
  no-dot: {handler: nodot}
  bad-name: {handler: "broken code.handle"}
  broken-import: {handler: broken_import.handle}
  broken-syntax: {handler: broken_syntax.handle}
  broken-code: {handler: broken_code.handle}
  missing: {handler: conformance_functions.ecko}
  packaged: {handler: pages.orders.show}
  in-a-folder: {handler: pages/returns/list.show}
  shop: {wsgi: "conformance_functions:shop"}
"""

PAGES = {
    "pages/orders.py": "def show(event, context):\n    return __name__\n",
    "pages/returns/list.py": "import sys\n\ndef show(event, context):\n    return sys.path[0]\n",
}
"""Files of the code folder's own folders."""

BROKEN = {
    "broken_import.py": "import there_is_no_such_module\n",
    "broken_syntax.py": "def handle(event, context)\n    return event\n",
    "broken_code.py": "SETTING = {}['missing']\n",
}
"""Files of the code folder that cannot be imported."""

ENVIRONMENT = {
    "FC_REGION": "region-of-the-environment",
    "FC_ACCOUNT_ID": "account-of-the-environment",
    "FC_FUNCTION_MEMORY_SIZE": "1024",
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "key-id-of-the-environment",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret-of-the-environment",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "token-of-the-environment",
}

ID = "1-67a59f35-150c1267-f381ba1c085c"
KEYS = {
    "X-Fc-Access-Key-Id": "STS.NaKeyIdOfTheCall",
    "X-Fc-Access-Key-Secret": "secret-of-the-call",
    "X-Fc-Security-Token": "token-of-the-call",
}
START = f"FC Invoke Start RequestId: {ID}"
END = f"FC Invoke End RequestId: {ID}"
FAILED = f"{END}, Error: Unhandled function error"
INIT_START = f"FC Initialize Start RequestId: {ID}"
INIT_END = f"FC Initialize End RequestId: {ID}"
INIT_FAILED = f"{INIT_END}, Error: Unhandled function error"


class Call(NamedTuple):
    """A request, and what it must be answered."""

    function: str
    body: bytes | None = b""
    method: str = "POST"
    path: str = "/invoke"
    headers: dict[str, str] = {}
    status: int = 200
    answer: bytes | None = None
    holds: tuple[str, ...] = ()
    """Texts that the answer holds, where the whole is not given."""
    lacks: tuple[str, ...] = ()
    """Texts that neither the answer nor the log holds."""
    log: tuple[str, ...] | None = (START, END)
    """The lines of the log; a line that ends in ``...`` stands for all that begin like it."""
    fields: dict[str, str | None] = {}
    """Header fields of the answer, by their lower-case names; None for one that must not be."""


class Row(NamedTuple):
    """Calls, one after the other, that prove items of the checklist."""

    items: str
    claim: str
    calls: tuple[Call, ...]


def call(function: str, **expected: object) -> Call:
    """Return a call with FC's usual headers; None leaves a header out."""
    given = expected.pop("headers", {})
    assert isinstance(given, dict)
    headers = {
        "X-Fc-Request-Id": ID,
        "X-Fc-Function-Name": function,
        "Content-Type": "application/octet-stream",
        **given,
    }
    kept = {name: value for name, value in headers.items() if value is not None}
    return Call(function, headers=kept, **expected)  # type: ignore[arg-type]


def web(path: str, **expected: object) -> Call:
    """Return a web request; every status of the application is a success for FC."""
    headers = expected.pop("headers", {})
    fields = expected.pop("fields", {})
    assert isinstance(headers, dict)
    assert isinstance(fields, dict)
    settings: dict[str, object] = {
        "path": path,
        "method": "GET",
        "body": None,
        "headers": {"Content-Type": None, **control("/http-invoke"), **headers},
        "fields": {"x-fc-status": "200", "content-type": "text/plain", **fields},
    }
    return call("shop", **{**settings, **expected})


def initialize(function: str, **expected: object) -> Call:
    """Return FC's call of the initializer."""
    settings: dict[str, object] = {
        "path": "/initialize",
        "body": None,
        "log": (INIT_START, INIT_END),
    }
    return call(function, **{**settings, **expected})


def control(path: str) -> dict[str, str]:
    """Return the header that names the phase of a request."""
    return {"X-Fc-Control-Path": path}


LOAD_FAILED = (START, f"TIME {ID} [ERROR] ...", "...", FAILED)

ROWS = (
    Row("16", "control path /invoke is an event call on any path and method", (
        call("echo", path="/any/path", headers=control("/invoke"), body=b"x", answer=b"x"),
        call("echo", method="PUT", headers=control("/invoke"), body=b"x", answer=b"x"),
    )),
    Row("17", "control path /initialize is the initializer on any path and method", (
        initialize("freezing", method="PUT", path="/x", headers=control("/initialize"),
                   answer=f"ready for {ID}".encode()),
    )),
    Row("18", "control path /http-invoke is a web request on any path", (
        *(web(path, method=method, answer=f"{method} {path}  ".encode()) for method, path in (
            ("POST", "/invoke"), ("POST", "/initialize"), ("GET", "/pre-stop"),
            ("GET", "/pre-freeze"), ("GET", "/health"))),
        *(call("web", method=method, path=path, headers=control("/http-invoke"),
               answer=f"{method} {path}".encode())
          for method, path in (("POST", "/invoke"), ("GET", "/pre-stop"))),
    )),
    Row("19", "without a control path method and path decide", (
        call("echo", body=b"x", answer=b"x"),
        call("echo", body=b"x", answer=b"x", headers=control("")),
        web("/invoke", answer=b"GET /invoke  ", headers=control("")),
        web("/else", method="POST", answer=b"POST /else  ", headers={"X-Fc-Control-Path": None}),
        call("web", method="GET", body=None, answer=b"GET /invoke"),
        call("web", path="/else", answer=b"POST /else"),
        call("shop", body=b"x", status=404, holds=("EventRequestError",), log=None),
    )),
    Row("20", "control paths /pre-freeze and /pre-stop are accepted", (
        call("echo", method="POST", path="/", headers=control("/pre-freeze"), answer=b"",
             log=(f"FC PreFreeze Start RequestId: {ID}", f"FC PreFreeze End RequestId: {ID}")),
        call("echo", method="POST", path="/", headers=control("/pre-stop"), answer=b"",
             log=(f"FC PreStop Start RequestId: {ID}", f"FC PreStop End RequestId: {ID}")),
    )),
    Row("21", "header names are matched in any case", (
        call("whoami", headers={"X-Fc-Request-Id": None, "x-FC-REQUEST-id": ID},
             holds=(f'"requestId": "{ID}"',)),
    )),
    Row("22", "an empty header counts as absent", (
        call("echo", body=b"x", answer=b"x", headers=control("")),
        call("", headers={"X-Fc-Function-Handler": "echo"}, body=b"x", answer=b"x"),
        call("whoami", headers={"X-Fc-Region": "", "X-Fc-Service-Name": ""},
             holds=('"region": "region-of-the-environment"', '"name": ""')),
    )),
    Row("23", "a call without a request id gets one", (
        call("echo", headers={"X-Fc-Request-Id": None}, answer=b"", log=None),
        call("echo", headers={"X-Fc-Request-Id": ""}, answer=b"", log=None),
    )),
    Row("24", "unknown headers of FC are ignored", (
        call("echo", headers={"X-Fc-Eagleeye-Rpcid": "1.2", "X-Fc-Base-Path": "/invoke",
                              "X-Fc-New": "?"}, body=b"x", answer=b"x"),
    )),
    Row("27", "a health check is answered, and not logged as an invocation", (
        call("", method="GET", path="/health", body=None, answer=b"ok\n", log=()),
        call("", method="HEAD", path="/health", body=None, answer=b"", log=()),
    )),
    Row("28, 29, 31, 36", "bytes go in and out untouched", (
        call("echo", body=bytes(range(256)) * 4, answer=bytes(range(256)) * 4),
        call("echo", headers={"Content-Type": "application/x-www-form-urlencoded"}, body=b"a=1",
             answer=b"a=1"),
        call("echo", headers={"Content-Type": "application/json"}, body=b'{"a', answer=b'{"a'),
    )),
    Row("30", "an empty event without a content type is an event", (
        call("echo", headers={"Content-Type": None}, body=None, answer=b""),
    )),
    Row("32, 33, 35, 65", "a failure is 404 in both places, with FC's error document", (
        call("failing", status=404, answer=b"""\
{
    "errorMessage": "no such luck",
    "errorType": "ValueError",
    "stackTrace": [
        [
            "File \\"CODE/conformance_functions.py\\"",
            "line 36",
            "in failing",
            "raise ValueError(\\"no such luck\\")"
        ]
    ]
}""", log=(START, f"TIME {ID} [ERROR] Traceback (most recent call last):",
           '  File "CODE/conformance_functions.py", line 36, in failing',
           '    raise ValueError("no such luck")', "ValueError: no such luck", FAILED)),
    )),
    Row("5", "SystemExit in a handler is that call's failure, and nothing else's", (
        call("exiting", status=404, holds=('"errorMessage": "3"', '"errorType": "SystemExit"'),
             log=None),
        call("echo", body=b"x", answer=b"x"),
    )),
    Row("38", "a head of more than 8 KB is accepted", (
        call("whoami", headers={"X-Fc-Security-Token": "t" * 9000, "X-Fc-Access-Key-Id": "id",
                                "X-Fc-Access-Key-Secret": "s"}, holds=("t" * 9000,)),
    )),
    Row("26", "FC 2.0's prefix of this function is not part of the path", (
        web("/2016-08-15/proxy/market.v1/shop/a", headers={"X-Fc-Service-Name": "market"},
            answer=b"GET /a /2016-08-15/proxy/market.v1/shop "),
        web("/2016-08-15/proxy/market.v1/shop/a",
            answer=b"GET /2016-08-15/proxy/market.v1/shop/a  "),
    )),
    Row("25", "x-fc-base-path is not part of the path", (
        web("/get", headers={"X-Fc-Base-Path": "/get"}, answer=b"GET /get  "),
    )),
    Row("39, 45", "method, path, query and body reach the application untouched", (
        web("//a/%2F/%C3%A9%ff?x=%20&y=%ff", method="PATCH", body=b"body",
            answer=b"PATCH //a///\xc3\xa9\xff  x=%20&y=%ff body"),
        web("/x", method="DELETE", body=b"body", answer=b"DELETE /x   body"),
        web("/x", method="OPTIONS", answer=b"OPTIONS /x  "),
        web("/x", method="HEAD", answer=b"", fields={"content-length": "9"}),
    )),
    Row("40, 41", "status, headers and body come back, but for what is the platform's", (
        web("/teapot", status=418, answer=b"short", fields={
            "etag": '"x"', "x-own": "1", "server": None, "x-fc-own": None, "connection": None}),
        web("/empty", status=204, answer=b"", fields={"content-type": None}),
    )),
    Row("42", "more header fields than FC takes are warned of", (
        web("/large", answer=b"large", fields={"x-large": "x" * 9000}, log=(
            START, f"TIME {ID} [WARNING] the answer has 90...", END)),
    )),
    Row("43, 67", "a body without a length is streamed", (
        web("/stream", answer=b"one two", fields={"content-length": None},
            log=(START, "made one", "made two", END)),
    )),
    Row("44", "only the runtime's own failure fails the call", (
        web("/sorry", status=500, answer=b"sorry"),
        web("/boom", status=500, holds=('"errorType": "ValueError"', '"no such luck"'),
            fields={"x-fc-status": "404", "content-type": "application/json"},
            log=(START, f"TIME {ID} [ERROR] Traceback (most recent call last):", "...",
                 "ValueError: no such luck", FAILED)),
    )),
    Row("46", "a request that is replayed is answered again", (
        web("/again", answer=b"GET /again  "), web("/again", answer=b"GET /again  "),
    )),
    Row("47, 83", "the application has the context, and the keys nowhere else", (
        web("/environ", headers=KEYS, holds=(f"{ID} STS.NaKeyIdOfTheCall",),
            lacks=(KEYS["X-Fc-Access-Key-Secret"], KEYS["X-Fc-Security-Token"],
                   "secret-of-the-environment")),
    )),
    Row("48", "a hook without an implementation answers 200", (
        initialize("echo", answer=b""),
        call("echo", method="GET", path="/pre-freeze", body=None, answer=b"", log=None),
        call("echo", method="GET", path="/pre-stop", body=None, answer=b"", log=None),
    )),
    Row("49, 52, 54, 56, 63", "the initializer runs once, also after other requests", (
        initialize("counting", answer=f"ready for {ID}".encode()),
        initialize("counting", answer=f"ready for {ID}".encode()),
        call("counting", holds=('"initialize": 1',)),
    )),
    Row("49, 50, 51", "a failed initializer answers 404 and runs again", (
        initialize("failing-once", status=404, holds=("the database is not there yet",),
                   log=(INIT_START, f"TIME {ID} [ERROR] Traceback (most recent call last):", "...",
                        "ConnectionError: the database is not there yet", INIT_FAILED)),
        initialize("failing-once", answer=b""),
        call("failing-once", answer=b"2"),
    )),
    Row("53, 63", "a function that was not initialized is so before its first invocation", (
        call("lazily", holds=('"initialize": 1',), log=(START, INIT_START, INIT_END, END)),
        call("lazily", holds=('"initialize": 1',)),
        call("failing-once-lazily", status=404, holds=("not there yet",), log=None),
        call("failing-once-lazily", answer=b"2", log=(START, INIT_START, INIT_END, END)),
    )),
    Row("55, 61, 64", "pre-freeze runs for what is initialized, pre-stop once", (
        call("stopping", holds=('"pre_freeze": 0',), log=None),
        call("stopping", method="GET", path="/pre-freeze", body=None, answer=b"",
             log=(f"FC PreFreeze Start RequestId: {ID}", f"FC PreFreeze End RequestId: {ID}")),
        call("stopping", holds=('"pre_freeze": 1',)),
        call("stopping", method="GET", path="/pre-stop", body=None, answer=b"",
             log=(f"FC PreStop Start RequestId: {ID}", f"FC PreStop End RequestId: {ID}")),
        call("stopping", method="GET", path="/pre-stop", body=None, answer=b"", log=None),
        call("stopping", holds=('"pre_stop": 1',), log=None),
    )),
    Row("62, 66, 67, 69, 71", "what an invocation says stands between its lines, with its id", (
        call("talking", answer=b"", log=(
            START, "printed", "unfinished", f"TIME {ID} [INFO] logged",
            f"TIME {ID} [WARNING] by the context's logger", END)),
    )),
    Row("73, 79", "the context holds what the headers say, under FC's own keys", (
        call("whoami", headers={
            **KEYS, "X-Fc-Function-Handler": "index.handler", "X-Fc-Function-Memory": "512",
            "X-Fc-Function-Timeout": "3", "X-Fc-Region": "cn-shanghai", "X-Fc-Account-Id": "42",
            "X-Fc-Qualifier": "prod", "X-Fc-Version-Id": "7", "X-Fc-Service-Name": "shop",
            "X-Fc-Service-Logproject": "project", "X-Fc-Service-Logstore": "store",
            "X-Fc-Retry-Count": "2", "X-Fc-Tracing-Opentracing-Span-Context": "span",
            "X-Fc-Tracing-Opentracing-Span-Baggages": "eyJrZXkiOiAidmFsdWUifQ==",
            "X-Fc-Tracing-Jaeger-Endpoint": "http://jaeger",
        }, answer=b"""\
{
    "accountId": "42",
    "credentials": {
        "accessKeyId": "STS.NaKeyIdOfTheCall",
        "accessKeySecret": "secret-of-the-call",
        "securityToken": "token-of-the-call"
    },
    "function": {
        "handler": "index.handler",
        "memory": 512,
        "name": "whoami",
        "timeout": 3
    },
    "region": "cn-shanghai",
    "requestId": "1-67a59f35-150c1267-f381ba1c085c",
    "retryCount": 2,
    "service": {
        "logProject": "project",
        "logStore": "store",
        "name": "shop",
        "qualifier": "prod",
        "versionId": "7"
    },
    "tracing": {
        "jaegerEndpoint": "http://jaeger",
        "openTracingSpanBaggages": {
            "key": "value"
        },
        "openTracingSpanContext": "span"
    }
}"""),
    )),
    Row("74, 75", "the environment stands in for headers that are missing", (
        call("whoami", holds=(
            '"region": "region-of-the-environment"', '"accountId": "account-of-the-environment"',
            '"memory": 1024', '"accessKeyId": "key-id-of-the-environment"',
            '"securityToken": "token-of-the-environment"')),
        call("whoami", headers=KEYS, holds=('"securityToken": "token-of-the-call"',),
             lacks=("token-of-the-environment",)),
    )),
    Row("76, 77", "numbers and baggages that cannot be read fall back", (
        call("whoami", headers={
            "X-Fc-Function-Memory": "lots", "X-Fc-Function-Timeout": "-1", "X-Fc-Retry-Count": "?",
            "X-Fc-Tracing-Opentracing-Span-Baggages": "%%%",
        }, holds=('"memory": 1024', '"timeout": 0', '"retryCount": 0',
                  '"openTracingSpanBaggages": {}')),
    )),
    Row("78", "the attributes of FC's Python 3.12 context are there too", (
        call("newer", headers={"X-Fc-Version-Id": "7", "X-Fc-Qualifier": "prod",
                               "X-Fc-Service-Logproject": "p", "X-Fc-Service-Logstore": "s"},
             answer=b'[\n    "7",\n    "prod",\n    "p",\n    "s"\n]'),
    )),
    Row("75", "the call's keys reach neither the log nor an error document", (
        call("leaking", headers=KEYS, status=404, holds=("***",), lacks=tuple(KEYS.values()),
             log=None),
    )),
    Row("80", "a handler's module is found in the code folder, which comes first on the path", (
        call("packaged", answer=b"pages.orders"),
        call("in-a-folder", answer=b"CODE"),
    )),
    Row("81", "code that cannot be loaded fails as in FC's own runtime", (
        call("no-dot", status=404, holds=('"errorType": "PluginNotFound"',), log=None),
        call("bad-name", status=404, holds=(
            '"errorType": "InvalidHandleName"', "Invalid handler 'broken code.handle'"), log=None),
        call("broken-import", status=404, holds=(
            '"errorType": "ImportModuleError"', "Unable to import module 'broken_import'",
            "\"ModuleNotFoundError: No module named 'there_is_no_such_module'\"",
            "CODE/broken_import.py:1", "-m pip install there_is_no_such_module"), log=None),
        call("broken-syntax", status=404, holds=(
            '"errorType": "UserCodeSyntaxError"', "Syntax error in module 'broken_syntax'",
            '"File \\"CODE/broken_syntax.py\\"",\n        "line 1"'), log=None),
        call("broken-code", status=404, holds=(
            '"errorType": "UserCodeError"', "Module initialization error: ",
            "\"KeyError: 'missing'\"", "CODE/broken_code.py:1"), log=None),
        call("missing", status=404, holds=(
            '"errorType": "HandlerNotFound"', "Handler 'ecko' is missing on module "
            "'conformance_functions' (did you mean 'echo'?)"), log=None),
    )),
    Row("82", "results are serialised as in FC's own runtime", (
        call("nothing", answer=b"null"),
        call("text", answer="grüß dich".encode()),
        call("values", answer=b"""\
{
    "a": true,
    "b": [
        1.5,
        "2026-01-31"
    ]
}"""),
        call("unserializable", status=404, holds=(
            "result['set'] is a set, which is not JSON serializable", '"errorType": "TypeError"'),
            log=None),
    )),
    Row("84", "a handler answers a web request as FC's HTTP event", (
        call("web", method="PUT", path="/a/b", body=b"\xff\x00", answer=b"PUT /a/b\xff\x00"),
        call("web", method="DELETE", path="/", headers={"Content-Type": "text/plain"},
             body="grüß dich".encode(), answer="DELETE /grüß dich".encode()),
    )),
    Row("32", "a call that leads to no function says which there are", (
        call("ecko", status=404, holds=(
            "no function 'ecko' (did you mean 'echo'?); functions.yaml knows: bad-name, ",),
            log=None),
    )),
)  # fmt: skip
