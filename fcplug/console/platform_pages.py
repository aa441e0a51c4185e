"""The instances, the asynchronous queue, and the configuration."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import falcon

from fcplug.console import content, hidden_values, lifelines
from fcplug.console.filters import ALL
from fcplug.console.inspection import Inspected, Inspection
from fcplug.console.pages import Pages
from fcplug.inspection.finding import Finding
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import Platform
from fcplug.platform.task import Task, TaskState

_TASKS = 25  # of a page
_LINES = 2000  # of a file that are shown
_LONGEST = 400  # characters of a line


class InstancePages:
    """The resource about instances."""

    def __init__(self, pages: Pages, platform: Platform) -> None:
        self._pages = pages
        self._platform = platform

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Show the lives of the instances."""
        now = time.time()
        timeline = lifelines.timeline(
            self._platform.instances(), self._platform.invocations(limit=ALL), now
        )
        self._pages.send(response, "instances.html", timeline=timeline)


class QueuePages:
    """The resources about asynchronous calls."""

    def __init__(self, pages: Pages, queue: AsyncQueue) -> None:
        self._pages = pages
        self._queue = queue

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """List the tasks, of one state if the query names one."""
        state = request.get_param("state") or ""
        before = request.get_param_as_int("before", min_value=1, max_value=1 << 62, default=0)
        conditions: list[tuple[str, object]] = []
        if state in [each.value for each in TaskState]:
            conditions.append(("state = ?", state))
        if before:
            conditions.append(("number < ?", before))
        order = f"number DESC LIMIT {_TASKS + 1}"
        tasks = list(self._queue.tasks.select(conditions, order))
        self._pages.send(
            response,
            "queue.html",
            tasks=tasks[:_TASKS],
            older=tasks[_TASKS - 1].number if len(tasks) > _TASKS else None,
            counts=self._queue.tasks.counts(),
            states=list(TaskState),
            chosen=state,
            before=before,
        )

    def on_get_task(
        self, _request: falcon.Request, response: falcon.Response, function: str, task: str
    ) -> None:
        """Show one task: each try, its event and its answer."""
        found = self._find(function, task)
        self._pages.send(
            response,
            "task.html",
            task=found,
            event=content.of_bytes(found.call.payload),
            answer=content.of_bytes(found.answer),
            can_stop=found.state in (TaskState.ENQUEUED, TaskState.RETRYING, TaskState.RUNNING),
        )

    def on_post_task(
        self, _request: falcon.Request, _response: falcon.Response, function: str, task: str
    ) -> None:
        """Stop a task."""
        self._find(function, task)
        self._queue.stop(function, task)
        raise falcon.HTTPSeeOther(_request.path)

    def _find(self, function: str, task: str) -> Task:
        found = self._queue.tasks.find(function, task)
        if found is None:
            raise falcon.HTTPNotFound(title="There is no such asynchronous call")
        return found


class Line(NamedTuple):
    """A line of a file with the findings at it; ``marks`` are its parts, every second marked."""

    number: int
    marks: Sequence[str]
    findings: Sequence[Finding]


class MarkedFile(NamedTuple):
    """A file with its findings; ``general`` are those that have no line."""

    name: str
    lines: Sequence[Line]
    general: Sequence[Finding]
    cut: bool


class ConfigurationPages:
    """The resource about the configuration."""

    def __init__(self, pages: Pages, inspection: Inspection) -> None:
        self._pages = pages
        self._inspection = inspection

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Show the configuration with its mistakes at their lines."""
        inspected = self._inspection.latest()
        self._pages.send(
            response,
            "configuration.html",
            inspected=inspected,
            inspecting=self._inspection.possible,
            files=_files(inspected) if inspected else [],
        )


def _files(inspected: Inspected) -> Sequence[MarkedFile]:
    """Return the configuration, and the other files that something was found in."""
    texts = {inspected.file: inspected.text}
    for finding in inspected.findings:
        if finding.file not in texts:
            texts[finding.file] = _read(finding.file)
    return [
        _marked(name, text, [each for each in inspected.findings if each.file == name])
        for name, text in texts.items()
    ]


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20)
    except OSError:
        return ""


def _marked(name: str, text: str, findings: Sequence[Finding]) -> MarkedFile:
    written, shown = text.splitlines(), hidden_values.lines_of(text)
    lines = []
    for number, line in enumerate(shown[:_LINES], 1):
        own = [each for each in findings if each.line == number]
        lines.append(Line(number, _marks(line[:_LONGEST], written[number - 1], own), own))
    general = [each for each in findings if not 0 < each.line <= len(lines)]
    return MarkedFile(name, lines, general, len(shown) > _LINES)


def _marks(line: str, written: str, findings: Sequence[Finding]) -> Sequence[str]:
    """Return a line in parts, of which every second is what a finding is about."""
    column = next((each.column for each in findings if each.column), 0)
    if not 0 < column <= len(line) or line[: column - 1] != written[: column - 1]:
        return [content.printable(line)]
    rest = line[column - 1 :]
    length = next((i for i, c in enumerate(rest) if i and c in " :,[]{}#\t"), len(rest))
    parts = (line[: column - 1], rest[:length], rest[length:])
    return [content.printable(part) for part in parts]
