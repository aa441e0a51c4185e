"""The fixtures of the test kit: ``fc``, ``fc_context`` and ``fc_event``.

pytest imports this module at every start, in every project that has fcplug: it imports nothing of
fcplug until a test asks for a fixture.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fcplug import Context
    from fcplug.testing import Runner


@pytest.fixture
def fc(request: pytest.FixtureRequest) -> "Iterator[Runner]":
    """Run functions in this process: fc.invoke("hello", "Ada").json(); closed after the test."""
    from fcplug.testing.owning import OwningRunner  # noqa: PLC0415

    def show(log: str) -> None:
        request.node.add_report_section("call", "log of fcplug", log)

    with OwningRunner(on_log=show) as runner:
        yield runner


@pytest.fixture
def fc_context() -> "Callable[..., Context]":
    """Make the context of a call, such as one with function_name="resize", timeout=3."""
    from fcplug.testing import make_context  # noqa: PLC0415

    return make_context


@pytest.fixture
def fc_event() -> "Callable[..., bytes]":
    """Make a sample event of one of FC's triggers, such as "oss" with key="a.jpg"."""
    from fcplug.testing import make_event  # noqa: PLC0415

    return make_event
