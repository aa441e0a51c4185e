"""Functions, services and asynchronous tasks as the API describes them: JSON for all versions."""

from collections.abc import Iterable

from fcplug import protocol
from fcplug.platform.model import FunctionConfig
from fcplug.platform.task import Task

Document = dict[str, object]


def function_arn(function: FunctionConfig, qualifier: str = "LATEST") -> str:
    """Return the resource name of a function, in the form of its version of FC."""
    account = f"acs:fc:{function.region}:{function.account_id}"
    if function.headers == "2.0":
        return f"{account}:services/{function.service}.{qualifier}/functions/{function.name}"
    return f"{account}:functions/{function.name}"


def of_function(function: FunctionConfig) -> Document:
    """Return a function with the names of FC 2.0 and FC 3.0, without its environment variables.

    FC shows these to the owner of the account. Here every program on this machine could read them.
    """
    return {
        "functionName": function.name,
        "functionId": f"local-{function.name}",
        "functionArn": function_arn(function),
        "handler": function.handler,
        "runtime": function.runtime,
        "timeout": round(function.timeout),
        "memorySize": function.memory,
        "instanceConcurrency": function.instance_concurrency,
        "idleTimeout": round(function.idle_timeout),
        "codeSize": 0,
        "codeChecksum": "",
        "internetAccess": True,
        "state": "Active",
        "lastUpdateStatus": "Successful",
        "initializer": function.handler if function.initializer else "",
        "initializationTimeout": round(function.initialization_timeout),
        "caPort": protocol.DEFAULT_PORT,
        "customRuntimeConfig": {"command": function.command, "port": protocol.DEFAULT_PORT},
        "instanceLifecycleConfig": _lifecycle(function),
    }


def _lifecycle(function: FunctionConfig) -> Document:
    hooks: Document = {}
    if function.initializer:
        hooks["initializer"] = _hook(function, function.initialization_timeout)
    if function.pre_freeze:
        hooks["preFreeze"] = _hook(function, function.timeout)
    if function.pre_stop:
        hooks["preStop"] = _hook(function, function.pre_stop_timeout)
    return hooks


def _hook(function: FunctionConfig, timeout: float) -> Document:
    return {"handler": function.handler, "timeout": round(timeout)}


def of_service(name: str) -> Document:
    """Return a service of FC 2.0."""
    return {"serviceName": name, "serviceId": f"local-{name}", "internetAccess": True}


def services(functions: Iterable[FunctionConfig]) -> list[str]:
    """Return the services that functions belong to, in order."""
    return sorted({function.service for function in functions})


def of_task(task: Task, function: FunctionConfig, *, payload: bool) -> Document:
    """Return an asynchronous task with the names of FC 2.0 and FC 3.0; ``payload``: its event."""
    document: Document = {
        "taskId": task.id,
        "invocationId": task.id,
        "functionName": task.function,
        "serviceName": function.service,
        "functionArn": function_arn(function, task.call.qualifier),
        "qualifier": task.call.qualifier,
        "requestId": task.call.request_id,
        "status": task.state.value,
        "alreadyRetriedTimes": task.retry,
        "startedTime": _milliseconds(task.started),
        "endTime": _milliseconds(task.ended),
        "durationMs": round(task.duration_ms or 0),
        "instanceId": task.instance,
        "destinationStatus": task.destination,
        "taskErrorMessage": task.error,
        "invocationErrorMessage": task.error,
        "returnPayload": task.answer.decode("utf-8", "replace"),
        "events": [
            {
                "eventId": number,
                "status": event.state.value,
                "timestamp": _milliseconds(event.at),
                "eventDetail": event.detail,
            }
            for number, event in enumerate(task.events, 1)
        ],
    }
    if payload:
        text = task.call.payload.decode("utf-8", "replace")
        document |= {"taskPayload": text, "invocationPayload": text}
    return document


def _milliseconds(seconds: float | None) -> int:
    return round((seconds or 0) * 1000)
