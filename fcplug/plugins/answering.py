"""Let middleware answer an event in place of the handler.

pluggy runs every wrapper and the handler. A wrapper that returns before its ``yield`` leaves this
chain by an exception, which the next outer wrapper gets as the result of its ``yield``.
"""

import functools
from collections.abc import Callable, Generator
from typing import Any

import pluggy

from fcplug.plugins.hooks import MARK

Wrapper = Generator[None, Any, Any]


class Answered(Exception):  # noqa: N818 - no error: no plugin and no caller sees it
    """A wrapper returned before its ``yield``; holds what it returned."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def answering(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Return an invoke wrapper that may return before its ``yield``."""
    old_style = bool(getattr(hook, MARK)["hookwrapper"])

    @functools.wraps(hook)
    def run_wrapper(*given: Any) -> Wrapper:  # tracebacks leave it out by this name
        wrapper: Wrapper = hook(*given)
        _start(wrapper)
        try:
            result = yield
            if old_style:
                _unwrap(result)
        except Answered as answered:
            result = answered.result
        except BaseException as error:
            return _ended(wrapper, functools.partial(wrapper.throw, error))
        return _ended(wrapper, functools.partial(wrapper.send, result))

    return run_wrapper


def answer_of(call: Callable[[], Any]) -> Any:
    """Return the result of a call of all hooks, also where a wrapper answered."""
    try:
        return call()
    except Answered as answered:
        return answered.result


def _start(wrapper: Wrapper) -> None:
    """Run a wrapper up to its ``yield``."""
    try:
        next(wrapper)
        return
    except StopIteration as early:
        answered = Answered(early.value)
    raise answered


def _unwrap(outcome: "pluggy.Result[Any]") -> None:
    """Give a wrapper of the old style the result of one that answered."""
    if isinstance(outcome.exception, Answered):
        outcome.force_result(outcome.exception.result)


def _ended(wrapper: Wrapper, resume: Callable[[], None]) -> Any:
    try:
        resume()
    except StopIteration as end:
        return end.value
    wrapper.close()
    raise RuntimeError("the wrapper 'invoke' yields twice: it has one result = yield")
