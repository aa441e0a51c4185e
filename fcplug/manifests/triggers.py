"""The triggers of a function, as the component fc3 has them."""

from collections.abc import Iterator, Mapping
from typing import Any

from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.config.model import FunctionSpec, OSSEntry, TimerEntry
from fcplug.errors import ConfigError, Problem
from fcplug.manifests import variables

HTTP = "http"
_SIGNED = "function"  # authType, of Function Compute
_KEY_PARTS = ("prefix", "suffix")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Triggers:
    """The triggers of a configuration's functions; texts from the environment stay references.

    Attributes:
        problems: the values that Serverless Devs cannot be given.
    """

    def __init__(self, config: Config, text: str) -> None:
        self._config = config
        self._written = variables.written(text)
        self.problems: list[Problem] = []

    def of(self, spec: FunctionSpec, *, is_web: bool) -> list[dict[str, Any]]:
        """Return the triggers of a function; if it answers web requests, their trigger first."""
        return list(self._of(spec, is_web=is_web))

    def check(self) -> None:
        """Check that all triggers so far can be written.

        Raises:
            ConfigError: some cannot; it holds all of them.
        """
        if self.problems:
            raise ConfigError(self.problems)

    def _of(self, spec: FunctionSpec, *, is_web: bool) -> Iterator[dict[str, Any]]:
        if is_web and HTTP not in spec.triggers:
            yield {
                "triggerName": HTTP,
                "triggerType": HTTP,
                "triggerConfig": {"authType": _SIGNED, "methods": list(_METHODS)},
            }
        for name, entry in spec.triggers.items():
            path: Path = ("functions", spec.name, "triggers", name)
            if entry.timer:
                yield self._timer(name, entry.timer, (*path, "timer"))
            elif entry.oss:
                yield self._oss(name, entry.oss, (*path, "oss"))

    def _timer(self, name: str, entry: TimerEntry, path: Path) -> dict[str, Any]:
        config: dict[str, Any] = {
            "cronExpression": self._text(entry.cron_expression, (*path, "cron_expression")),
            "enable": entry.enable,
        }
        if entry.payload:
            config["payload"] = self._text(entry.payload, (*path, "payload"))
        return {"triggerName": name, "triggerType": "timer", "triggerConfig": config}

    def _oss(self, name: str, entry: OSSEntry, path: Path) -> dict[str, Any]:
        events = [
            self._text(event, (*path, "events", index)) for index, event in enumerate(entry.events)
        ]
        key = {part: self._text(getattr(entry, part), (*path, part)) for part in _KEY_PARTS}
        bucket = self._text(entry.bucket, (*path, "bucket"))
        trigger: dict[str, Any] = {
            "triggerName": name,
            "triggerType": "oss",
            "sourceArn": f"acs:oss:${{vars.region}}:${{config('AccountID')}}:{bucket}",
        }
        if entry.invocation_role:
            role = self._text(entry.invocation_role, (*path, "invocation_role"))
            trigger["invocationRole"] = role
        return {**trigger, "triggerConfig": {"events": events, "filter": {"key": key}}}

    def _text(self, value: str, path: Path) -> str:
        given = variables.at(self._written, path)
        found = variables.reference(given if isinstance(given, str) else value)
        if found is None:
            what = "Serverless Devs would fill in this ${...} itself, and cannot be kept from it"
            self.problems.append(self._config.document.problem(path, what))
            return ""
        return found


def merged(made: Any, over: Any) -> Any:
    """Return triggers with others merged over those of the same name.

    A trigger of another name is added. Where one of both is not a list of triggers with names,
    ``over`` is returned.
    """
    if not _are_named(made) or not _are_named(over):
        return over
    changes = {each["triggerName"]: each for each in over}
    kept = [{**each, **changes.pop(each["triggerName"], {})} for each in made]
    return [*kept, *changes.values()]


def are_signed(value: Any) -> bool:
    """Return whether some trigger takes signed requests."""
    configs = [each.get("triggerConfig") for each in value] if _are_named(value) else []
    return any(isinstance(each, Mapping) and each.get("authType") == _SIGNED for each in configs)


def _are_named(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, Mapping) and isinstance(each.get("triggerName"), str) for each in value
    )
