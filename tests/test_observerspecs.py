import pytest

from fcplug.context import Context
from fcplug.errors import ConcurrencyExceeded, FunctionTimeoutError
from fcplug.observerspecs import Call


def call() -> Call:
    return Call("f", "event", Context({}, {}))


def test_a_call_that_has_ended_cannot_start() -> None:
    late = call()
    late.end()
    assert not late.start()
    assert late.started is None


def test_the_moments_of_a_call_follow_each_other() -> None:
    done = call()
    assert done.start()
    done.end()
    assert done.started is not None
    assert done.ended is not None
    assert done.received <= done.started <= done.ended


@pytest.mark.parametrize(
    ("error", "refused", "timed_out"),
    [
        (None, False, False),
        (ValueError(), False, False),
        (ConcurrencyExceeded("f", 1, waiting=0), True, False),
        (FunctionTimeoutError("f", 1.0, "x"), False, True),
    ],
)
def test_a_call_knows_how_it_was_not_answered(
    error: BaseException | None, refused: bool, timed_out: bool
) -> None:
    failed = call()
    failed.error = error
    assert (failed.refused, failed.timed_out) == (refused, timed_out)
