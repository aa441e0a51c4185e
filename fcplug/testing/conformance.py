"""What every handler must keep, checked on one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from fcplug.testing.call_rules import CallRules, CallsHung, Events
from fcplug.testing.composing import Options, own_name
from fcplug.testing.process_rules import ProcessRules, Surroundings

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Finding(NamedTuple):
    """A rule that a handler breaks, how it does, and what to do."""

    rule: str
    what: str
    fix: str

    def __str__(self) -> str:
        lines = self.what.replace("\n", "\n    ")
        return f"{self.rule}: {lines}\n    fix: {self.fix}"


def inspect_handler(
    handler: Any, *, event: Any = None, limit: float = 60.0, **options: "Unpack[Options]"
) -> list[Finding]:
    """Return what a handler does that would go wrong in an instance; it is called 70 times or so.

    The guide "Testing handlers" lists the rules. What needs a process of its own is left out for an
    object that another process could not import.

    Args:
        handler: its name as in ``functions.yaml``, or the object itself.
        event: one that it accepts. A function of a number makes several: it is called with 0 to 4.
            Without it, texts are sent, or empty events if it refuses these.
        limit: seconds that a call may take, and 50 overlapping ones.
        options: keys of the function's entry, such as ``settings`` and ``middleware``.
    """
    around = Surroundings.now(limit)
    with CallRules(handler, Events(event), options, limit) as rules:
        return [Finding(*found) for found in _found(rules, handler, around, options)]


def check_handler(
    handler: Any, *, event: Any = None, limit: float = 60.0, **options: "Unpack[Options]"
) -> None:
    """Fail if a handler would do wrong in an instance, with every finding and what to do.

    Takes what ``inspect_handler`` takes.

    Raises:
        AssertionError: it breaks a rule.
    """
    __tracebackhide__ = True  # for pytest: the findings say all
    findings = inspect_handler(handler, event=event, limit=limit, **options)
    if findings:
        name = handler if isinstance(handler, str) else own_name(handler) or repr(handler)
        count = f"{len(findings)} problem{'' if len(findings) == 1 else 's'}"
        text = "\n".join(f"- {finding}" for finding in findings)
        raise AssertionError(f"the handler {name} has {count}:\n{text}")


def _found(
    rules: CallRules, handler: Any, around: Surroundings, options: Any
) -> Iterator[tuple[str, str, str]]:
    try:
        if broken := rules.loads():
            yield broken
            return
        name = handler if isinstance(handler, str) else own_name(handler)
        in_a_process = ProcessRules(name, around, rules.accepted, options) if name else None
        if in_a_process and not in_a_process.can_be_imported:
            in_a_process = None
        if in_a_process:
            yield from in_a_process.import_changes_nothing()
        if broken := rules.answers():
            yield broken
        else:
            yield from rules.overlapping_calls_get_their_own()
            yield from rules.initializes_again()
            if in_a_process:
                yield from in_a_process.survives_a_freeze()
    except CallsHung as hung:
        fix = "give what it waits for a time limit of its own; look for locks that are not released"
        yield "it answers", str(hung), fix
    yield from rules.shows_no_credentials()
