"""The official SDKs, each in an environment of its own, as clients of the local platform."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from support.deployed import deploy
from support.programs import needed
from support.running import dev
from support.small_platform import SmallPlatform, serving

pytestmark = pytest.mark.slow

KEYS = {"an-id": "its secret"}


@pytest.fixture
def platform(tmp_path: Path) -> SmallPlatform:
    return SmallPlatform(tmp_path)


@pytest.fixture
def port(platform: SmallPlatform, tmp_path: Path) -> Iterator[int]:
    with serving(platform, tmp_path, KEYS) as (port, _queue):
        yield port


def python_with(folder: Path, package: str) -> Path:
    """Install a package in an environment of its own and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", package], check=True)
    return python


@pytest.fixture(scope="session")
def fc3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_with(tmp_path_factory.mktemp("fc3"), "alibabacloud-fc20230330")


@pytest.fixture(scope="session")
def fc2_open(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_with(tmp_path_factory.mktemp("fc2-open"), "alibabacloud-fc-open20210406")


@pytest.fixture(scope="session")
def fc2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_with(tmp_path_factory.mktemp("fc2"), "aliyun-fc2")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("node")
    folder = tmp_path_factory.mktemp("node")
    command = [needed("npm"), "install", "--silent", "--no-audit", "--no-fund", "@alicloud/fc2"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def run(command: list[str | Path], folder: Path, *arguments: object) -> Any:
    """Run a client; it prints JSON in its last line."""
    done = subprocess.run(
        [*command, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run_python(python: Path, folder: Path, code: str, port: int, secret: str = "its secret") -> Any:
    """Run a Python client with the port and the secret as its arguments."""
    (folder / "client.py").write_text(dedent(code), "utf-8")
    return run([python, "-W", "ignore", "client.py"], folder, port, secret)


FC3 = """
    import json, sys, time
    from alibabacloud_fc20230330.client import Client
    from alibabacloud_fc20230330 import models
    from alibabacloud_tea_openapi.models import Config
    try:
        from darabonba.runtime import RuntimeOptions
    except ImportError:
        from alibabacloud_tea_util.models import RuntimeOptions

    port, secret = sys.argv[1:]
    client = Client(Config(access_key_id="an-id", access_key_secret=secret, protocol="http",
                           region_id="cn-hangzhou", endpoint=f"127.0.0.1:{port}"))

    def invoke(name, body, **headers):
        try:
            found = client.invoke_function_with_options(
                name, models.InvokeFunctionRequest(body=body, qualifier="LATEST"),
                models.InvokeFunctionHeaders(**headers), RuntimeOptions())
        except Exception as error:
            return {"code": getattr(error, "code", None), "text": str(error)}
        headers = {name.lower(): value for name, value in found.headers.items()}
        body = found.body.read() if found.body else b""
        return {"status": found.status_code, "headers": headers, "body": body.decode("latin-1")}
"""


def test_the_sdk_of_fc_3_invokes_and_looks_up(fc3: Path, tmp_path: Path, port: int) -> None:
    code = """
    found = {
        "sync": invoke("echo", b"a\\x00b", x_fc_log_type="Tail"),
        "empty": invoke("echo", None),
        "fails": invoke("fails", b""),
        "broken": invoke("broken", b""),
        "nobody": invoke("no body é", b""),
        "async": invoke("echo", b"later", x_fc_invocation_type="Async", x_fc_async_task_id="t-1"),
        "twice": invoke("echo", b"later", x_fc_invocation_type="Async", x_fc_async_task_id="1-t"),
    }
    while True:
        task = client.get_async_task("echo", "t-1", models.GetAsyncTaskRequest()).body
        if task.end_time:
            break
        time.sleep(0.05)
    found["task"] = task.to_map()
    listed = client.list_async_tasks(
        "echo", models.ListAsyncTasksRequest(status="Succeeded", prefix="t-", include_payload=True))
    found["tasks"] = [task.task_payload for task in listed.body.tasks]
    found["stop"] = client.stop_async_task("echo", "t-1", models.StopAsyncTaskRequest()).status_code
    functions = client.list_functions(models.ListFunctionsRequest(prefix="site", limit=1)).body
    found["functions"] = [functions.functions[0].function_name, functions.next_token]
    function = client.get_function("echo", models.GetFunctionRequest()).body
    found["function"] = [function.function_name, function.memory_size, function.runtime]
    print(json.dumps(found))
    """
    found = run_python(fc3, tmp_path, dedent(FC3) + dedent(code), port)
    assert found["sync"]["body"] == "a\0b"
    assert {"x-fc-request-id", "x-fc-log-result"} <= found["sync"]["headers"].keys()
    assert found["empty"]["status"] == 200
    assert found["fails"]["status"] == 200
    assert found["fails"]["headers"]["x-fc-error-type"] == "UnhandledInvocationError"
    assert found["broken"]["code"] == "CAExited"
    assert found["nobody"]["code"] == "FunctionNotFound"
    assert found["async"]["status"] == 202
    assert found["async"]["headers"]["x-fc-async-task-id"] == "t-1"
    assert found["twice"]["code"] == "InvalidArgument"
    assert found["task"]["status"] == "Succeeded"
    assert found["task"]["returnPayload"] == "later"
    assert found["tasks"] == ["later"]
    assert found["stop"] == 200
    assert found["functions"] == ["site", "site3"]
    assert found["function"] == ["echo", 512, "custom.debian12"]


def test_the_sdk_of_fc_3_with_a_wrong_secret_is_refused(
    fc3: Path, tmp_path: Path, port: int, platform: SmallPlatform
) -> None:
    code = dedent(FC3) + 'print(json.dumps(invoke("echo", b"event")))'
    assert run_python(fc3, tmp_path, code, port, "wrong")["code"] == "SignatureNotMatch"
    assert platform.calls == []


def test_the_sdk_of_fc_3_calls_a_function_of_fcplug_dev(fc3: Path, tmp_path: Path) -> None:
    handler = "def handle(event, context):\n    print(context.request_id)\n    return event[::-1]\n"
    config = "version: 1\nfunctions:\n  echo: {handler: index.handle}\n"
    project = deploy(tmp_path / "project", config, {"index.py": handler})
    code = """
    found = invoke("echo", b"abc", x_fc_log_type="Tail")
    found["task"] = invoke("echo", b"later", x_fc_invocation_type="Async")["headers"]
    task_id = found["task"]["x-fc-async-task-id"]
    while True:
        task = client.get_async_task("echo", task_id, models.GetAsyncTaskRequest()).body
        if task.end_time:
            break
        time.sleep(0.05)
    print(json.dumps({**found, "task": task.to_map()}))
    """
    with dev(project, "--no-reload", "--key", "an-id=SECRET", SECRET="its secret") as platform:
        found = run_python(fc3, tmp_path, dedent(FC3) + dedent(code), platform.port)
    assert (found["status"], found["body"]) == (200, "cba")
    log = base64.b64decode(found["headers"]["x-fc-log-result"]).decode()
    assert f"FC Invoke End RequestId: {found['headers']['x-fc-request-id']}" in log
    assert (found["task"]["status"], found["task"]["returnPayload"]) == ("Succeeded", "retal")


FC2_OPEN = """
    import json, sys, time
    from alibabacloud_fc_open20210406.client import Client
    from alibabacloud_fc_open20210406 import models
    from alibabacloud_tea_openapi.models import Config
    from alibabacloud_tea_util.models import RuntimeOptions

    port, secret = sys.argv[1:]
    client = Client(Config(access_key_id="an-id", access_key_secret=secret, protocol="http",
                           region_id="cn-hangzhou", endpoint=f"127.0.0.1:{port}"))

    def invoke(service, name, body, **headers):
        try:
            found = client.invoke_function_with_options(
                service, name, models.InvokeFunctionRequest(body=body, qualifier="prod"),
                models.InvokeFunctionHeaders(**headers), RuntimeOptions())
        except Exception as error:
            return {"code": getattr(error, "code", None), "text": str(error)}
        headers = {name.lower(): value for name, value in found.headers.items()}
        return {"status": found.status_code, "headers": headers,
                "body": (found.body or b"").decode()}
"""


def test_the_open_sdk_of_fc_2_invokes_and_looks_up(
    fc2_open: Path, tmp_path: Path, port: int, platform: SmallPlatform
) -> None:
    code = """
    found = {
        "sync": invoke("default", "echo", b"event", x_fc_log_type="Tail"),
        "fails": invoke("default", "fails", b"x"),
        "nobody": invoke("none", "echo", b"x"),
        "async": invoke("default", "echo", b"later", x_fc_invocation_type="Async",
                        x_fc_stateful_async_invocation_id="t-1"),
    }
    place = ("default", "echo")
    while True:
        task = client.get_stateful_async_invocation(
            *place, "t-1", models.GetStatefulAsyncInvocationRequest()).body
        if task.end_time:
            break
        time.sleep(0.05)
    found["task"] = task.to_map()
    listed = client.list_stateful_async_invocations(
        *place, models.ListStatefulAsyncInvocationsRequest(invocation_id_prefix="t-"))
    found["tasks"] = [task.invocation_id for task in listed.body.invocations]
    found["stop"] = client.stop_stateful_async_invocation(
        *place, "t-1", models.StopStatefulAsyncInvocationRequest()).status_code
    services = client.list_services(models.ListServicesRequest()).body.services
    found["services"] = [service.service_name for service in services]
    found["service"] = client.get_service("web", models.GetServiceRequest()).body.service_name
    functions = client.list_functions("web", models.ListFunctionsRequest()).body.functions
    found["functions"] = [function.function_name for function in functions]
    found["function"] = client.get_function(
        "web", "site", models.GetFunctionRequest()).body.function_name
    print(json.dumps(found))
    """
    found = run_python(fc2_open, tmp_path, dedent(FC2_OPEN) + dedent(code), port)
    assert found["sync"]["body"] == "event"
    assert "x-fc-log-result" in found["sync"]["headers"]
    assert platform.calls[0].qualifier == "prod"
    assert found["fails"]["headers"]["x-fc-error-type"] == "UnhandledInvocationError"
    assert found["nobody"]["code"] == "ServiceNotFound"
    assert found["async"]["status"] == 202
    assert found["task"]["status"] == "Succeeded"
    assert found["task"]["returnPayload"] == "later"
    assert found["tasks"] == ["t-1"]
    assert found["stop"] == 200
    assert found["services"] == ["default", "web"]
    assert found["service"] == "web"
    assert found["functions"] == ["site"]
    assert found["function"] == "site"


def test_the_open_sdk_of_fc_2_with_a_wrong_secret_is_refused(
    fc2_open: Path, tmp_path: Path, port: int
) -> None:
    code = dedent(FC2_OPEN) + 'print(json.dumps(invoke("default", "echo", b"event")))'
    assert run_python(fc2_open, tmp_path, code, port, "wrong")["code"] == "SignatureNotMatch"


FC2 = """
    import json, logging, sys
    import fc2

    logging.disable(logging.CRITICAL)
    port, secret = sys.argv[1:]
    client = fc2.Client(endpoint=f"http://127.0.0.1:{port}", accessKeyID="an-id",
                        accessKeySecret=secret)

    def attempt(call, *arguments, **named):
        try:
            return call(*arguments, **named)
        except fc2.FcError as error:
            return error

    def code(found):
        return [found.status_code, found.err_code]
"""


def test_the_classic_sdk_of_fc_2_invokes_and_lists(
    fc2: Path, tmp_path: Path, port: int, platform: SmallPlatform
) -> None:
    program = """
    invoke = client.invoke_function
    sync = invoke("default", "echo", b"event", qualifier="prod", headers={"x-fc-log-type": "Tail"})
    web = client.do_http_request("POST", "web", "site", "/a b", params={"y": "é x"}, body="text")
    later = invoke("default", "echo", b"later", headers={"x-fc-invocation-type": "Async"})
    print(json.dumps({
        "sync": [sync.data.decode(), "x-fc-log-result" in sync.headers],
        "fails": attempt(invoke, "default", "fails").status_code,
        "broken": code(attempt(invoke, "default", "broken")),
        "nobody": code(attempt(invoke, "default", "nobody")),
        "later": [later.headers["x-fc-stateful-async-invocation-id"] != "", later.data.decode()],
        "web": [web.status_code, web.text],
        "services": [service["serviceName"] for service in client.list_services().data["services"]],
        "service": client.get_service("web").data["serviceName"],
        "functions": [f["functionName"] for f in client.list_functions("web").data["functions"]],
        "function": client.get_function("default", "echo").data["handler"],
    }))
    """
    found = run_python(fc2, tmp_path, dedent(FC2) + dedent(program), port)
    assert found["sync"] == ["event", True]
    assert platform.calls[0].qualifier == "prod"
    assert found["fails"] == 200  # this SDK raises on a function error
    assert found["broken"] == [412, "CAExited"]
    assert found["nobody"] == [404, "FunctionNotFound"]
    assert found["later"] == [True, ""]
    assert found["web"][0] == 201
    assert found["web"][1].startswith("POST /2016-08-15/proxy/web/site/a%20b?y=")
    assert found["services"] == ["default", "web"]
    assert found["service"] == "web"
    assert found["functions"] == ["site"]
    assert found["function"] == "index.handler"


def test_the_classic_sdk_of_fc_2_with_a_wrong_secret_is_refused(
    fc2: Path, tmp_path: Path, port: int, platform: SmallPlatform
) -> None:
    program = """
    web = client.do_http_request("GET", "web", "site", "/")
    print(json.dumps([code(attempt(client.invoke_function, "default", "echo", b"event")),
                      code(attempt(client.list_services)), web.status_code]))
    """
    found = run_python(fc2, tmp_path, dedent(FC2) + dedent(program), port, "wrong")
    assert found == [[403, "SignatureNotMatch"], [403, "SignatureNotMatch"], 403]
    assert platform.calls == []


NODE = """
const FC = require("@alicloud/fc2");
const [port, secret] = process.argv.slice(2);
const client = new FC("1234567890123456", {
  accessKeyID: "an-id", accessKeySecret: secret, region: "cn-hangzhou",
  endpoint: `http://127.0.0.1:${port}`,
});
async function attempt(promise) {
  try { return await promise; } catch (error) { return { code: error.code }; }
}
async function main() {
  const tail = { "x-fc-log-type": "Tail" };
  const later = { "x-fc-invocation-type": "Async" };
  return {
    sync: await attempt(client.invokeFunction("default", "echo", "event", tail, "prod")),
    fails: await attempt(client.invokeFunction("default", "fails", "x")),
    broken: await attempt(client.invokeFunction("default", "broken", "x")),
    later: await attempt(client.invokeFunction("default", "echo", "later", later)),
    services: await attempt(client.listServices()),
    functions: await attempt(client.listFunctions("web")),
    named: await attempt(client.getFunction("default", "echo")),
  };
}
main().then((found) => console.log(JSON.stringify(found)));
"""


def test_the_sdk_of_fc_2_for_node_invokes_and_lists(
    node: Path, port: int, platform: SmallPlatform
) -> None:
    (node / "client.js").write_text(NODE, "utf-8")
    found = run(["node", "client.js"], node, port, "its secret")
    assert found["sync"]["data"] == "event"
    assert "x-fc-log-result" in found["sync"]["headers"]
    assert platform.calls[0].qualifier == "prod"
    assert found["fails"]["headers"]["x-fc-error-type"] == "UnhandledInvocationError"
    assert found["fails"]["data"]["errorType"] == "ValueError"
    assert found["broken"]["code"] == "CAExited"
    assert found["later"]["data"] == ""
    names = [service["serviceName"] for service in found["services"]["data"]["services"]]
    assert names == ["default", "web"]
    assert found["functions"]["data"]["functions"][0]["functionName"] == "site"
    assert found["named"]["data"]["functionName"] == "echo"


def test_the_sdk_of_fc_2_for_node_with_a_wrong_secret_is_refused(
    node: Path, port: int, platform: SmallPlatform
) -> None:
    (node / "client.js").write_text(NODE, "utf-8")
    found = run(["node", "client.js"], node, port, "wrong")
    assert found["sync"] == {"code": "SignatureNotMatch"}
    assert platform.calls == []
