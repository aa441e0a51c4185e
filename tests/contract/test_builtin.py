"""Handlers of FC's built-in Python runtimes, deployed unchanged."""

import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from fcplug.plugins import code_path
from support.deployed import CODE, Instance, deploy, start

CONFIG = """\
version: 1
runtime: {trust_callers: true}
functions:
  oss: {handler: oss_event.handler}
  timer: {handler: timer_event.handler}
  raising: {handler: raising.handler}
  http: {handler: http_event.handler}
  http-isolated: {handler: http_event.handler, isolation: process, timeout: 60}
  http-raising: {handler: raising.handler}
  http-wrong: {handler: wrong.handler}
  wsgi: {wsgi: wsgi_http.handler}
  wsgi-isolated: {wsgi: wsgi_http.handler, isolation: process}
  wsgi-text: {wsgi: wsgi_text.handler}
  wsgi-text-isolated: {wsgi: wsgi_text.handler, isolation: process}
  visits:
    handler: connection.handler
    initializer: connection.initializer
    pre_stop: connection.pre_stop
    isolation: process
"""
ID = "1-67a59f35-150c1267-f381ba1c085c"
KEYS = {
    "x_fc_access_key_id": "STS.NaTheKeyId",
    "x_fc_access_key_secret": "the-secret-of-the-call",
    "x_fc_security_token": "the-token-of-the-call",
}
OSS = {
    "events": [
        {
            "eventName": "ObjectCreated:PutObject",
            "eventSource": "acs:oss",
            "eventTime": "2026-01-31T12:46:37.000Z",
            "eventVersion": "1.0",
            "oss": {
                "bucket": {
                    "arn": "acs:oss:cn-hangzhou:42:photos",
                    "name": "photos",
                    "ownerIdentity": "42",
                    "virtualBucket": "",
                },
                "object": {"deltaSize": 9, "eTag": "688A", "key": "in/a b.jpg", "size": 9},
                "ossSchemaVersion": "1.0",
                "ruleId": "9adac8",
            },
            "region": "cn-hangzhou",
            "requestParameters": {"sourceIPAddress": "11.11.11.11"},
            "responseElements": {"requestId": "58F9FF2D"},
            "userIdentity": {"principalId": "42"},
        }
    ]
}


WRONG = "def handler(event, context): return {'statusCode': 'twohundred'}\n"


def deploy_handlers(folder: Path, config: str) -> Path:
    shutil.copytree(CODE / "builtin", folder, dirs_exist_ok=True)
    return deploy(folder, config, {"wrong.py": WRONG})


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder = deploy_handlers(tmp_path_factory.mktemp("code"), CONFIG)
    with start(folder, environ={"FC_REGION": "cn-hangzhou"}) as running:
        yield running


def test_an_oss_handler_reads_its_records_and_the_credentials(tmp_path: Path) -> None:
    folder = deploy_handlers(tmp_path, CONFIG)
    environ = {"FC_REGION": "cn-hangzhou", "FC_FUNCTION_NAME": "oss"}
    with start(folder, environ=environ) as instance:
        answer = instance.invoke("oss", json.dumps(OSS).encode(), x_fc_request_id=ID, **KEYS)
        assert json.loads(answer.body) == {
            "region": "cn-hangzhou",
            "objects": ["photos/in/a b.jpg"],
            "signed": True,
        }
        line = rf"Z {ID} \[INFO\] ObjectCreated:PutObject: photos/in/a b.jpg$"
        assert re.search(line, instance.log, re.MULTILINE)


def test_a_timer_handler_prints_logs_and_returns_text(instance: Instance) -> None:
    event = {"triggerTime": "2026-01-31T10:02:58Z", "triggerName": "nightly", "payload": "clean"}
    before = len(instance.log)
    answer = instance.invoke("timer", json.dumps(event).encode(), x_fc_request_id=ID)
    assert (answer.status, answer.body) == (200, b"clean")
    start_line, printed, logged, end_line = instance.log[before:].splitlines()
    assert start_line == f"FC Invoke Start RequestId: {ID}"
    assert printed == "triggered at 2026-01-31T10:02:58Z by nightly"
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z {ID} \[INFO\] payload: clean",
                        logged)  # fmt: skip
    assert end_line == f"FC Invoke End RequestId: {ID}"


def test_what_a_handler_raises_is_fcs_error_document(instance: Instance) -> None:
    answer = instance.invoke("raising")
    assert (answer.status, answer.headers["x-fc-status"]) == (404, "404")
    file = json.loads(answer.body)["stackTrace"][0][0].removeprefix('File "').rstrip('"')
    assert Path(file).name == "raising.py"
    assert (
        answer.body.decode().replace(file, "/code/raising.py")
        == """\
{
    "errorMessage": "something is wrong",
    "errorType": "Exception",
    "stackTrace": [
        [
            "File \\"/code/raising.py\\"",
            "line 7",
            "in handler",
            "check({})"
        ],
        [
            "File \\"/code/raising.py\\"",
            "line 3",
            "in check",
            "raise Exception(\\"something is wrong\\")"
        ]
    ]
}"""
    )


def web(
    instance: Instance, function: str, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Send a web request as FC does; header names are in lower case."""
    sent = {
        "x-fc-function-name": function,
        "x-fc-control-path": "/http-invoke",
        "x-fc-request-id": ID,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    with contextlib.closing(instance.connect()) as connection:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return (
            response.status,
            [(name.lower(), value) for name, value in response.getheaders()],
            response.read(),
        )


@pytest.mark.parametrize("function", ["http", "http-isolated"])
def test_a_handler_of_http_events_answers_web_requests(  # item 84
    function: str, instance: Instance
) -> None:
    before = len(instance.log)
    status, headers, body = web(
        instance, function, "POST", "/orders/a%2Fb?x=1", b"Hello FC!", Content_Type="text/plain"
    )
    assert (status, body) == (201, b"POST /orders/a%2Fb Hello FC!")
    assert [pair for pair in headers if pair[0] not in ("date", "server", "via")] == [
        ("content-type", "text/plain"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-request-id", ID),
        ("content-length", str(len(body))),
        ("x-fc-status", "200"),
    ]
    lines = instance.log[before:].splitlines()
    assert lines[0] == f"FC Invoke Start RequestId: {ID}"
    assert lines[-3].endswith(f" {ID} [INFO] POST /orders/a/b")
    assert f" {ID} [INFO] POST /orders/a%2Fb 201 " in lines[-2]
    assert lines[-1] == f"FC Invoke End RequestId: {ID}"


def test_bodies_of_http_events_may_be_binary_both_ways(instance: Instance) -> None:
    status, headers, body = web(instance, "http", "PUT", "/binary", b"\xff\x00")
    assert (status, body) == (200, b"\x89PNG\x00")
    assert ("content-type", "image/png") in headers
    assert web(instance, "http", "PUT", "/x", b"\xff\x00")[2] == "PUT /x \xff\x00".encode()


def test_a_result_that_is_not_a_response_is_the_body_of_one(instance: Instance) -> None:
    status, headers, body = web(instance, "http", "GET", "/json?name=Ada")
    assert (status, body) == (200, b'{\n    "name": "Ada"\n}')
    assert ("content-type", "application/json") in headers
    assert instance.invoke("http", b"{}").body == b"not called by an HTTP trigger"


def test_a_head_of_a_web_request_has_no_body(instance: Instance) -> None:
    length = str(len(web(instance, "http", "GET", "/json")[2]))
    status, headers, body = web(instance, "http", "HEAD", "/json")
    assert (status, body) == (200, b"")
    assert ("content-length", length) in headers


@pytest.mark.parametrize(
    ("function", "path", "kind"),
    [
        ("http", "/raise", "KeyError"),
        ("http-isolated", "/raise", "KeyError"),
        ("http-raising", "/", "Exception"),
        ("http-wrong", "/", "InvalidResponse"),
    ],
)
def test_a_web_request_that_fails_is_a_500_with_the_error_document(
    function: str, path: str, kind: str, instance: Instance
) -> None:
    before = len(instance.log)
    status, headers, body = web(instance, function, "GET", path)
    assert status == 500
    assert ("x-fc-status", "404") in headers
    assert ("content-type", "application/json") in headers
    assert json.loads(body)["errorType"] == kind
    end_line = f"FC Invoke End RequestId: {ID}, Error: Unhandled function error\n"
    assert instance.log[before:].endswith(end_line)


@pytest.mark.parametrize("function", ["wsgi", "wsgi-isolated"])
def test_a_wsgi_handler_of_fc_2_answers_web_requests(  # item 83
    function: str, instance: Instance
) -> None:
    status, headers, body = web(
        instance, function, "POST", "/a%20b?x=1&x=2", "grüß dich".encode(), X_Custom="value"
    )
    assert status == 200
    assert ("x-custom", "yes") in headers
    assert json.loads(body) == {
        "requestId": ID,
        "method": "POST",
        "uri": "/a%20b?x=1&x=2",
        "path": "/a b",
        "query": "x=1&x=2",
        "client": "127.0.0.1",
        "header": "value",
        "body": "grüß dich",
    }


@pytest.mark.parametrize("function", ["wsgi-text", "wsgi-text-isolated"])
def test_a_wsgi_handler_of_fc_2_may_return_a_text_and_leave_the_reason_out(
    function: str, instance: Instance
) -> None:
    for _ in range(2):
        status, headers, body = web(instance, function, "GET", "/", b"")
        assert (status, body.decode()) == (200, "application/octet-stream 0 grüß dich")
        assert ("content-type", "text/plain") in headers
    advice = "the application handler gives the status '200': give '200 OK'"
    assert advice in instance.log


def test_a_connection_of_the_initializer_lives_until_pre_stop(instance: Instance) -> None:
    answer = instance.call("POST", "/initialize", headers={"x-fc-function-name": "visits"})
    assert (answer.status, answer.body) == (200, b"")
    assert [instance.invoke("visits").body for _ in range(3)] == [b"1", b"2", b"3"]
    assert instance.call("GET", "/pre-stop").status == 200
    assert "the connection is closed" in instance.log


FACTS = """\
import json, logging, os, subprocess, sys

ENVIRONMENT = dict(os.environ)
COMMAND = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]

def handler(event, context):
    child = json.loads(subprocess.check_output(COMMAND))
    seen = {"module": ENVIRONMENT, "handler": dict(os.environ), "child": child}
    return {
        "fc": {who: sorted(n for n in names if n.startswith(("FC_", "_FC_")))
               for who, names in seen.items()},
        "settings": dict(context.settings),
        "region": context.region,
        "cwd": os.getcwd(),
        "path": sys.path,
    }

def application(environ, start_response):
    start_response("200 OK", [])
    yield json.dumps(sorted(n for n in environ if n.startswith(("FC_", "_FC_"))))

def talk(event, context):
    print("printed")
    print("to standard error", file=sys.stderr)
    print("half a character \\udce9")
    logging.debug("not shown")
    logging.getLogger("shop").info("by any logger")
    logging.getLogger().setLevel("DEBUG")
    logging.debug("now shown")
    logging.getLogger().setLevel("INFO")
"""
SHOWN = [
    "FC_ACCOUNT_ID",
    "FC_CUSTOM_LISTEN_PORT",
    "FC_FUNCTION_HANDLER",
    "FC_FUNCTION_MEMORY_SIZE",
    "FC_FUNCTION_NAME",
    "FC_FUNCTION_VERSION",
    "FC_FUNC_CODE_PATH",
    "FC_INSTANCE_ID",
    "FC_QUALIFIER",
    "FC_REGION",
    "FC_RUNTIME_VERSION",
    "FC_SERVER_PORT",
    "FC_SERVICE_NAME",
    "FC_SNAPSHOT_FLAG",
    "FC_VER_ID",
]
HIDDEN = [
    "FC_CONTAINER_ID",
    "FC_SERVER_LOG_LEVEL",
    "_FC_INTERNAL",
]
FACTS_CONFIG = """\
version: 1
runtime: {RUNTIME}
functions:
  facts:
    handler: facts.handler
    wsgi: facts.application
    settings: {id: "${FC_CONTAINER_ID}"}
"""


@pytest.mark.parametrize(
    "mode", ["{}", "{processes: 2}", "{processes: 2, preload: false}", "isolated"]
)
def test_user_code_sees_only_the_variables_that_fcs_runtime_shows(
    mode: str, tmp_path: Path
) -> None:
    config = FACTS_CONFIG.replace("{RUNTIME}", "{}" if mode == "isolated" else mode)
    if mode == "isolated":
        config += "    isolation: process\n"
    folder = deploy(tmp_path, config, {"facts.py": FACTS})
    environ = {name: f"the {name}" for name in [*SHOWN, *HIDDEN]}
    environ |= {"FC_FUNCTION_NAME": "facts", "FC_FUNC_CODE_PATH": str(folder)}
    with start(folder, environ=environ) as instance:
        facts = json.loads(instance.invoke("facts").body)
        assert facts["fc"] == {"module": SHOWN, "handler": SHOWN, "child": SHOWN}
        assert facts["settings"] == {"id": "the FC_CONTAINER_ID"}
        assert facts["region"] == "the FC_REGION"
        assert json.loads(web(instance, "facts", "GET", "/")[2]) == SHOWN


@pytest.mark.parametrize("mode", ["{}", "{processes: 2}", "isolated"])
def test_outside_fc_user_code_sees_its_own_variables(mode: str, tmp_path: Path) -> None:
    config = FACTS_CONFIG.replace("{RUNTIME}", "{}" if mode == "isolated" else mode)
    if mode == "isolated":
        config += "    isolation: process\n"
    folder = deploy(tmp_path, config, {"facts.py": FACTS})
    own = {name: f"the {name}" for name in ["FC_CONTAINER_ID", "FC_ENDPOINT", "_FC_OWN"]}
    with start(folder, environ=own) as instance:
        facts = json.loads(instance.invoke("facts").body)
        seen = [*facts["fc"].values(), json.loads(web(instance, "facts", "GET", "/")[2])]
        assert [own.keys() - set(names) for names in seen] == [set()] * 4


def test_an_edit_of_the_configuration_still_sees_every_variable(tmp_path: Path) -> None:
    config = FACTS_CONFIG.replace("{RUNTIME}", "{}")
    folder = deploy(tmp_path, config, {"facts.py": FACTS})
    with start(folder, environ={"FC_CONTAINER_ID": "c-1", "FC_FUNCTION_NAME": "facts"}) as instance:
        aside = folder / "config" / "functions.new"
        aside.write_text(config.replace("{id:", "{edited: 'yes', id:"))
        os.utime(aside, (1, 1))  # written to its end long ago
        aside.rename(folder / "config" / "functions.yaml")
        instance.process.send_signal(signal.SIGHUP)
        instance.wait_for(r"the configuration is reloaded \(changed: facts\)")
        facts = json.loads(instance.invoke("facts").body)
        assert facts["settings"] == {"edited": "yes", "id": "c-1"}
        assert "FC_CONTAINER_ID" not in facts["fc"]["handler"]


def test_code_comes_before_layers_and_layers_before_the_rest(  # item 80
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    layer = tmp_path / "opt"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = layer / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    monkeypatch.syspath_prepend(layer)
    monkeypatch.syspath_prepend("/somewhere")
    code_path.add({"FC_FUNC_CODE_PATH": str(tmp_path)}, str(layer))
    assert sys.path[:4] == [str(tmp_path), str(packages), str(layer), "/somewhere"]
    assert sys.path.count(str(layer)) == 1


def test_all_output_of_a_handler_is_in_the_log_between_its_lines(tmp_path: Path) -> None:
    config = "version: 1\nfunctions:\n  talk: {handler: facts.talk}\n"
    folder = deploy(tmp_path, config, {"facts.py": FACTS})
    with start(folder, environ={"TZ": "Asia/Shanghai", "FC_SERVER_LOG_LEVEL": "DEBUG"}) as instance:
        before = len(instance.log)
        assert instance.invoke("talk", x_fc_request_id=ID).body == b"null"
        lines = instance.log[before:].splitlines()
    stamped = [re.fullmatch(rf"(\S+)Z {ID} (.*)", line) for line in lines]
    assert [match[2] if match else line for match, line in zip(stamped, lines, strict=True)] == [
        f"FC Invoke Start RequestId: {ID}",
        "printed",
        "to standard error",
        "half a character \\udce9",
        "[INFO] by any logger",
        "[DEBUG] now shown",
        f"FC Invoke End RequestId: {ID}",
    ]
    for match in filter(None, stamped):
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=timezone.utc)
        assert abs(moment - datetime.now(timezone.utc)) < timedelta(hours=1)  # in UTC


def test_code_that_failed_to_load_is_loaded_again_by_the_next_call(tmp_path: Path) -> None:
    # item 81
    config = (
        "version: 1\nruntime: {trust_callers: true}\n"
        "functions:\n  f: {handler: index.handler, initializer: index.start}\n"
    )
    folder = deploy(tmp_path, config, {"index.py": "def handler(event, context)\n"})
    with start(folder) as instance:
        documents: list[Any] = [json.loads(instance.invoke("f").body)]
        (folder / "index.py").write_text("def handler(event, context): return state\n")
        documents.append(json.loads(instance.call("POST", "/initialize").body))
        (folder / "index.py").write_text(
            "def start(context):\n  global state; state = 'up'\n"
            "def handler(event, context): return state\n"
        )
        assert [document["errorType"] for document in documents] == [
            "UserCodeSyntaxError",
            "HandlerNotFound",
        ]
        assert documents[0]["stackTrace"][0].startswith('File "')
        assert instance.invoke("f").body == b"up"
