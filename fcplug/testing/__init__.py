"""The test kit: functions run in this process, without a server, by the runtime itself.

With pytest the fixtures ``fc``, ``fc_context`` and ``fc_event`` are there; this package is all that
they use, and works without pytest.
"""

from fcplug.events.samples import event as make_event
from fcplug.testing.answers import Answer, WebAnswer
from fcplug.testing.conformance import Finding, check_handler, inspect_handler
from fcplug.testing.contexts import make_context
from fcplug.testing.runner import Runner

__all__ = [
    "Answer",
    "Finding",
    "Runner",
    "WebAnswer",
    "check_handler",
    "inspect_handler",
    "make_context",
    "make_event",
]
