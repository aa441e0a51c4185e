"""The overview of all functions, and the page of each."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import falcon

from fcplug.console import content, editor, figures
from fcplug.console.editor import Calls, Done, Draft
from fcplug.console.filters import ALL
from fcplug.console.function_state import FunctionView, views
from fcplug.console.inspection import Inspection
from fcplug.console.invocation_pages import secrets_of, shown_outcome
from fcplug.console.pages import Pages
from fcplug.platform.model import FunctionConfig, Platform

_RECENT = 10  # calls on the page of a function
_LINES = 200  # of its output
_LONGEST = 1000  # characters of a line


class FunctionPages:
    """The resources about functions."""

    def __init__(
        self, pages: Pages, platform: Platform, inspection: Inspection, calls: Calls
    ) -> None:
        self._pages = pages
        self._platform = platform
        self._inspection = inspection
        self._calls = calls

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Show all functions."""
        invocations = self._platform.invocations(limit=ALL)
        self._pages.send(
            response,
            "overview.html",
            functions=views(self._platform, self._inspection.latest(), invocations),
            figures=figures.summary(invocations),
            inspected=self._inspection.latest(),
            inspecting=self._inspection.possible,
            minutes=figures.MINUTES,
        )

    def on_get_function(
        self, request: falcon.Request, response: falcon.Response, function: str
    ) -> None:
        """Show one function, and the editor with a sample if the query names one."""
        draft = Draft.of_sample(request.get_param("sample") or "")
        view = self._view(function)
        if view.facts is not None and view.facts.kind != "handler":
            draft = draft._replace(mode="web") if not draft.sample else draft
        self._send(response, view, draft=draft, done=None, opened=None)

    def on_post_function(
        self, request: falcon.Request, response: falcon.Response, function: str
    ) -> None:
        """Call the function with what the editor holds, and show what came of it."""
        form = request.context.form
        config = self._platform.functions.get(function)
        if config is None:
            raise _unknown(function)
        draft = Draft.of(form)
        done = self._calls.run(config, draft, form.get("file", b""), editor.client_of(request))
        self._send(
            response, self._view(function), draft=draft, done=done, opened=self._opened(done)
        )

    def _opened(self, done: Done) -> Mapping[str, Any] | None:
        if done.call is None or done.outcome is None:
            return None
        latest = self._platform.invocations(done.call.function, limit=1000)
        found = (each for each in latest if each.call.request_id == done.call.request_id)
        invocation = next(found, None)
        number = invocation.number if invocation else 0
        return shown_outcome(self._platform, done.call, done.outcome, number)

    def _lines(self, function: FunctionConfig) -> Sequence[tuple[float, str]]:
        """Return the latest lines that the instances of a function wrote."""
        own = (
            each for each in reversed(self._platform.log_lines()) if each.function == function.name
        )
        latest = reversed(list(itertools.islice(own, _LINES)))
        hidden = secrets_of(function)
        return [(each.at, content.of_line(each.text[:_LONGEST], hidden)) for each in latest]

    def _view(self, name: str) -> FunctionView:
        invocations = self._platform.invocations(name, limit=ALL)
        for view in views(self._platform, self._inspection.latest(), invocations):
            if view.config.name == name:
                return view
        raise _unknown(name)

    def _send(self, response: falcon.Response, view: FunctionView, **values: Any) -> None:
        self._pages.send(
            response,
            "function.html",
            view=view,
            inspecting=self._inspection.possible,
            rows=view.recent[:_RECENT],
            lines=self._lines(view.config),
            kinds=editor.sample_kinds(),
            modes=editor.MODES,
            methods=editor.METHODS,
            minutes=figures.MINUTES,
            **values,
        )


def _unknown(name: str) -> falcon.HTTPNotFound:
    return falcon.HTTPNotFound(
        title="There is no such function",
        description=f"functions.yaml has no '{name[:140]}' now. It may have been renamed.",
    )
