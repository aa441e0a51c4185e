"""Messages of the local platform, which are those of Function Compute where it has some."""

import json
import threading
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

from captured.registry import message
from captured.scene import Scene, Shown
from fcplug.platform.emulator import Emulator
from fcplug.platform.headers import new_request_id
from fcplug.platform.model import Call, FunctionConfig, InstanceState, Outcome
from fcplug.platform.queue_file import QueueInUse, QueueUnusable
from fcplug.platform.task_file import TaskFile
from support.platforms import event, stranger
from support.small_platform import SmallPlatform, serving
from support.waiting import wait_until


def _shown(scene: Scene, outcome: Outcome, port: int = 0) -> Shown:
    text = outcome.message or json.loads(outcome.body)["errorMessage"]
    kind = outcome.code or outcome.error_type or ""
    return scene.shown(text.replace(str(port), "9000") if port else text, outcome.status, kind)


def _called(scene: Scene, function: FunctionConfig, call: Call | None = None) -> Shown:
    with Emulator([function]) as platform:
        outcome = platform.invoke(call or event())
        port = platform.instances()[0].port if platform.instances() else 0
    return _shown(scene, outcome, port)


def _not_started(heading: str, text: str, mode: int = 0o755, **settings: Any) -> None:
    def provoke(scene: Scene) -> Shown:
        if text:
            (scene.folder / "bootstrap").write_bytes(text.encode())
            (scene.folder / "bootstrap").chmod(mode)
        return _called(scene, FunctionConfig(name="f", folder=scene.folder, **settings))

    message(heading, "StartFailed")(provoke)


_not_started("CAFileNotFound (412)", "")
_not_started("CAExited (412)", "#!/bin/sh\necho 'no database' >&2\nexit 1\n")
_not_started("CAExited: not executable (412)", "#!/bin/sh\n", 0o644)
_not_started("CAExited: Windows line ends (412)", "#!/bin/sh\r\necho\r\n")
_not_started(
    "FunctionNotStarted (412)", "#!/bin/sh\necho waiting\nexec sleep 60\n", startup_timeout=1
)


def _failed(heading: str, payload: str, **settings: Any) -> None:
    def provoke(scene: Scene) -> Shown:
        return _called(scene, stranger(scene.folder, **settings), event(payload.encode()))

    message(heading)(provoke)


_NO_ANSWER = "run self.close_connection = True; self.wfile.flush(); self.connection.shutdown(2)"
_failed("UnhandledInvocationError: time out (200)", "run time.sleep(30)", timeout=1)
_failed("UnhandledInvocationError: process exited (200)", "run os._exit(1)")
_failed(
    "InitializationError (200)", "", initializer=True, initialization_timeout=1,
    environment={"BEFORE": "Runtime.do_POST = lambda self: time.sleep(60)"},
)  # fmt: skip
_failed("BadResponse (502)", _NO_ANSWER)


@message("ResourceExhausted (429)")
def no_free_instance(scene: Scene) -> Shown:
    function = stranger(scene.folder, max_instances=1, timeout=1)
    with Emulator([function]) as platform:
        platform.invoke(event())
        for _ in range(20):  # on a slow machine the first call may have had its time before
            first = threading.Thread(target=platform.invoke, args=(event(b"run time.sleep(60)"),))
            first.start()
            wait_until(
                lambda: (
                    not first.is_alive()  # noqa: B023 - it is called here
                    or platform.instances()[0].state is InstanceState.BUSY
                )
            )
            outcome = platform.invoke(event())
            first.join(60)
            if outcome.status == 429:
                break
    return _shown(scene, outcome)


@message("FunctionNotFound (404)", "ApiError")
def not_found(scene: Scene) -> Shown:
    with Emulator([stranger(scene.folder)]) as platform:
        outcome = platform.invoke(Call(function="helo", request_id=new_request_id()))
    return _shown(scene, outcome)


def _refused_by_the_api(heading: str, body: bytes = b"", **fields: str) -> None:
    def provoke(scene: Scene) -> Shown:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        with (
            serving(SmallPlatform(scene.folder), scene.folder) as (port, _queue),
            closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection,
        ):
            connection.request("POST", "/2023-03-30/functions/echo/invocations", body, named)
            response = connection.getresponse()
            document = json.loads(response.read())
        return scene.shown(document["Message"], response.status, document["Code"])

    message(heading, "ApiError")(provoke)


_refused_by_the_api("EntityTooLarge (400)", bytes(200_000), x_fc_invocation_type="Async")
_refused_by_the_api("AccessDenied (403)", origin="https://shop.example")


@message("Another platform uses the queue", "QueueInUse")
def queue_in_use(scene: Scene) -> Shown:
    file = scene.folder / "queue.sqlite"
    first = TaskFile(file)
    try:
        TaskFile(file)
    except QueueInUse as error:
        return scene.shown(str(error))
    finally:
        first.close()
    raise AssertionError


@message("The queue cannot be opened", "QueueUnusable")
def queue_unusable(scene: Scene) -> Shown:
    file = scene.folder / "queue.sqlite"
    file.write_text("not a database " * 100)
    try:
        TaskFile(file)
    except QueueUnusable as error:
        return scene.shown(str(error))
    raise AssertionError
