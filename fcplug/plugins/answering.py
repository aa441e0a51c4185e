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
        try:
            next(wrapper)
        except StopIteration as early:
            raise Answered(early.value) from None
        try:
            result = yield
            if old_style:
                _unwrap(result)
        except Answered as answered:
            result = answered.result
        except BaseException as error:
            return _thrown(wrapper, error)
        try:
            wrapper.send(result)
        except StopIteration as end:
            return end.value
        raise _second_yield(wrapper)

    return run_wrapper


def answer_of(call: Callable[[], Any]) -> Any:
    """Return the result of a call of all hooks, also where a wrapper answered."""
    try:
        return call()
    except Answered as answered:
        return answered.result


def _unwrap(outcome: "pluggy.Result[Any]") -> None:
    """Give a wrapper of the old style the result of one that answered."""
    if isinstance(outcome.exception, Answered):
        outcome.force_result(outcome.exception.result)


def _thrown(wrapper: Wrapper, error: BaseException) -> Any:
    """Return what a wrapper makes of an error."""
    try:
        wrapper.throw(error)
    except StopIteration as end:
        return end.value
    finally:
        del error  # its traceback has this frame: a reference cycle
    raise _second_yield(wrapper)


def _second_yield(wrapper: Wrapper) -> RuntimeError:
    wrapper.close()
    return RuntimeError("the wrapper 'invoke' yields twice: it has one result = yield")
