"""What the API tells of functions, services and asynchronous tasks, and how it stops a task."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import falcon

from fcplug.platform import answers, descriptions
from fcplug.platform.answers import ApiError
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import FunctionConfig, Platform
from fcplug.platform.task import Task, TaskState

_PAGE = 20  # items of a page, unless the request says how many
_LARGEST_PAGE = 100

_Item = TypeVar("_Item")


def find_function(platform: Platform, function: str, service: str = "") -> FunctionConfig:
    """Return a function; ``service`` is empty in FC 3.0.

    Raises:
        ApiError: the service or the function does not exist.
    """
    functions = platform.functions
    if service:
        find_service(platform, service)
    found = functions.get(function)
    if found is None or (service and found.service != service):
        where = f" in service '{service}'" if service else ""
        raise ApiError(
            404, "FunctionNotFound", f"function '{function[:140]}' does not exist{where}"
        )
    return found


def find_service(platform: Platform, service: str) -> None:
    """Check that a service exists.

    Raises:
        ApiError: no function belongs to it.
    """
    if service not in descriptions.services(platform.functions.values()):
        raise ApiError(404, "ServiceNotFound", f"service '{service[:140]}' does not exist")


def send(response: falcon.Response, answer: answers.Answer) -> None:
    """Make an answer the response of Falcon."""
    response.status = answer.status
    if response.stream is None:
        response.data = answer.body
    for name, value in answer.fields:
        response.append_header(name, value)


class Lookups:
    """The resources that describe the platform, for all versions of the API."""

    def __init__(self, platform: Platform, queue: AsyncQueue) -> None:
        self._platform = platform
        self._queue = queue

    def on_get_functions(
        self, request: falcon.Request, response: falcon.Response, service: str = ""
    ) -> None:
        """List functions: of a service in FC 2.0, all in FC 3.0."""
        service = service.partition(".")[0]
        if service:
            find_service(self._platform, service)
        functions = {
            name: function
            for name, function in self._platform.functions.items()
            if not service or function.service == service
        }
        document = _page(request, functions, "functions", descriptions.of_function)
        _send_document(request, response, document)

    def on_get_function(
        self, request: falcon.Request, response: falcon.Response, function: str, service: str = ""
    ) -> None:
        """Describe one function."""
        found = find_function(self._platform, function, service.partition(".")[0])
        _send_document(request, response, descriptions.of_function(found))

    def on_get_services(self, request: falcon.Request, response: falcon.Response) -> None:
        """List the services of FC 2.0."""
        names = descriptions.services(self._platform.functions.values())
        document = _page(
            request, dict(zip(names, names, strict=True)), "services", descriptions.of_service
        )
        _send_document(request, response, document)

    def on_get_service(
        self, request: falcon.Request, response: falcon.Response, service: str
    ) -> None:
        """Describe one service of FC 2.0."""
        service = service.partition(".")[0]
        find_service(self._platform, service)
        _send_document(request, response, descriptions.of_service(service))

    def on_get_tasks(
        self, request: falcon.Request, response: falcon.Response, function: str, service: str = ""
    ) -> None:
        """List the asynchronous tasks of a function, with the filters of the API."""
        found = find_function(self._platform, function, service.partition(".")[0])
        limit = _limit(request)
        tasks = list(self._queue.tasks.select(*_filters(request, function, limit + 1)))
        payload = (request.get_param("includePayload") or "").lower() == "true"  # SDKs say True
        listed = [descriptions.of_task(task, found, payload=payload) for task in tasks[:limit]]
        document: dict[str, object] = {
            "invocations" if service else "tasks": listed,
        }
        if len(tasks) > limit:
            document["nextToken"] = str(tasks[limit - 1].number)
        _send_document(request, response, document)

    def on_get_task(
        self,
        request: falcon.Request,
        response: falcon.Response,
        function: str,
        task: str,
        service: str = "",
    ) -> None:
        """Describe one asynchronous task."""
        found = find_function(self._platform, function, service.partition(".")[0])
        document = descriptions.of_task(self._task(function, task), found, payload=True)
        _send_document(request, response, document)

    def on_put_task(
        self,
        request: falcon.Request,
        response: falcon.Response,
        function: str,
        task: str,
        service: str = "",
    ) -> None:
        """Stop one asynchronous task: FC 2.0's own path, and FC 3.0's with ``/stop``."""
        find_function(self._platform, function, service.partition(".")[0])
        self._task(function, task)
        self._queue.stop(function, task)
        _send_document(request, response, {})

    on_put_stop = on_put_task

    def _task(self, function: str, task_id: str) -> Task:
        task = self._queue.tasks.find(function, task_id)
        if task is None:
            raise ApiError(
                404,
                "AsyncTaskNotFound",
                f"function '{function}' has no asynchronous task '{task_id[:140]}'",
            )
        return task


def _send_document(request: falcon.Request, response: falcon.Response, document: object) -> None:
    send(response, answers.of_document(document, request.context.request_id))


def _limit(request: falcon.Request) -> int:
    text = request.get_param("limit") or str(_PAGE)
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 6 and int(text)):
        raise ApiError(400, "InvalidArgument", f"limit is {text[:20]!a}: expected a number above 0")
    return min(int(text), _LARGEST_PAGE)


def _page(
    request: falcon.Request,
    items: Mapping[str, _Item],
    key: str,
    describe: Callable[[_Item], object],
) -> dict[str, object]:
    """Return a page of named items: ``nextToken`` is the name that the next page begins with."""
    prefix = request.get_param("prefix") or ""
    start = request.get_param("nextToken") or request.get_param("startKey") or ""
    limit = _limit(request)
    names = sorted(name for name in items if name.startswith(prefix) and name >= start)
    document: dict[str, object] = {key: [describe(items[name]) for name in names[:limit]]}
    if len(names) > limit:
        document["nextToken"] = names[limit]
    return document


def _filters(
    request: falcon.Request, function: str, limit: int
) -> tuple[Sequence[tuple[str, object]], str]:
    """Return the conditions and the order that a listing of tasks asks for."""
    ascending = request.get_param("sortOrderByTime") == "asc"
    conditions: list[tuple[str, object]] = [("function = ?", function)]
    if status := request.get_param("status"):
        if status not in [state.value for state in TaskState]:
            raise ApiError(400, "InvalidArgument", f"status {status[:40]!a} is not one of a task")
        conditions.append(("state = ?", status))
    prefix = request.get_param("prefix") or request.get_param("invocationIdPrefix")
    if prefix:
        conditions.append(("instr(id, ?) = 1", prefix))
    for name, sign in (("startedTimeBegin", ">="), ("startedTimeEnd", "<=")):
        if (text := request.get_param(name)) is not None:
            conditions.append((f"started {sign} ?", _number(name, text) / 1000))
    if (token := request.get_param("nextToken")) is not None:
        sign = ">" if ascending else "<"
        conditions.append((f"number {sign} ?", _number("nextToken", token)))
    return conditions, f"number {'ASC' if ascending else 'DESC'} LIMIT {limit}"


def _number(name: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    raise ApiError(400, "InvalidArgument", f"{name} is {text[:20]!a}: expected a number")
