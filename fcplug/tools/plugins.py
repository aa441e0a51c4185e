"""``fcplug plugins``: what is installed, who uses it, and what it costs."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.text import Text

from fcplug.inspection.cost import Cost, costs
from fcplug.inspection.installed import Plugin, Setting, plugins
from fcplug.inspection.locating import sound_config
from fcplug.tools import exit_code
from fcplug.tools.command import Command
from fcplug.tools.progress import counting
from fcplug.tools.table import print_rows
from fcplug.tools.terminal import Terminal, errors, output, print_json, printable

_STYLES = {"broken": "error", "in use": "good", "unused": "dim"}
_LIMIT = 60.0  # seconds that one plugin may take to be imported
_MIB = 1024 * 1024
_MOST_USERS = 5  # functions that are named


@click.command(
    "plugins",
    cls=Command,
    examples=("fcplug plugins", "fcplug plugins --cost", "fcplug plugins --json"),
)
@click.option("--cost", "with_cost", is_flag=True, help="Measure what importing each one costs.")
@click.option("--config", metavar="FILE", help="The configuration; else as fcplug serve finds it.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(with_cost: bool, config: str | None, as_json: bool) -> int:
    """List every handler, middleware, application and observer that is installed.

    Each has its package, the functions of functions.yaml that use it, and the settings it takes
    with their types and defaults. Code that functions.yaml names by module:attribute is listed,
    too. All are imported, each list in a process of its own; no hook is run.

    With --cost each is imported in a fresh interpreter: the time of its own modules, the time with
    all that it imports beside the runtime, and the memory, worst first.

    Exit codes: 0 fine, 1 a plugin is broken, 2 wrong usage.
    """
    environ = dict(os.environ)
    found_config, problems = sound_config(config, environ, "fcplug plugins --config")
    if problems:
        what = f"{problems[0].file} has problems, and some of its functions may be left out"
        errors().print(Text(f"warning: {what}: see fcplug check", "warning"), soft_wrap=True)
    with counting("importing") as progress:
        found = plugins(found_config, limit=_LIMIT, progress=progress)
    measured: Mapping[str, Cost] = {}
    if with_cost:
        with counting("measuring") as progress:
            measured = costs(found, limit=_LIMIT, progress=progress)
        found.sort(key=lambda each: -_total(each, measured))
    if as_json:
        file = found_config.file if found_config else None
        print_json({"file": file, "plugins": [_json_of(each, measured) for each in found]})
    elif with_cost:
        _print_costs(found, measured)
    else:
        _print(found)
    return exit_code.PROBLEM if any(each.broken for each in found) else exit_code.FINE


def _total(plugin: Plugin, measured: Mapping[str, Cost]) -> float:
    cost = measured.get(plugin.module)
    return cost.total if cost else -1.0


def _print(found: Sequence[Plugin]) -> None:
    out = output()
    if not found:
        out.print("no plugin is installed: fcplug new plugin NAME begins one")
        return
    rows = [
        (
            Text(printable(each.reference), "bold"),
            each.kind,
            _package(each),
            Text(each.state, _STYLES[each.state]),
            _users(each),
        )
        for each in found
    ]
    print_rows(out, ("name", "kind", "package", "state", "used by"), rows)
    for each in found:
        _print_details(out, each)


def _package(plugin: Plugin) -> str:
    return f"{plugin.package} {plugin.version}" if plugin.package else "code"


def _users(plugin: Plugin) -> str:
    more = len(plugin.used_by) - _MOST_USERS
    names = ", ".join(plugin.used_by[:_MOST_USERS])
    return f"{names} and {more} more" if more > 0 else names


def _print_details(out: Terminal, plugin: Plugin) -> None:
    if not (plugin.description or plugin.broken or plugin.settings):
        return
    out.print()
    head = Text(printable(plugin.reference), "bold")
    out.print(head.append(f": {printable(plugin.description)}" if plugin.description else "", ""))
    if plugin.broken:
        out.print(Text(f"  broken: {printable(plugin.broken)}", "error"), soft_wrap=True)
        for label, text in (("in", plugin.source), ("fix", plugin.fix)):
            if text:
                out.print(Text(f"  {label}: {printable(text)}"), soft_wrap=True)
    for setting in plugin.settings or ():
        out.print(Text(f"  {printable(_setting(setting))}"), soft_wrap=True)


def _setting(setting: Setting) -> str:
    default = "required" if setting.required else f"default {setting.default}"
    return f"{setting.name}: {setting.type}, {default}"


def _print_costs(found: Sequence[Plugin], measured: Mapping[str, Cost]) -> None:
    rows = []
    for each in found:
        cost = measured.get(each.module)
        figures = ("", "", "", "")
        if cost:
            memory = f"{cost.memory / _MIB:.1f} MiB"
            figures = (f"{cost.own:.1f}", f"{cost.total:.1f}", memory, str(cost.modules))
        name = Text(printable(each.reference), "bold")
        rows.append((name, each.kind, *figures, Text(each.state, _STYLES[each.state])))
    columns = ("name", "kind", "own ms", "with all ms", "memory", "modules", "state")
    print_rows(output(), columns, rows)


def _json_of(plugin: Plugin, measured: Mapping[str, Cost]) -> dict[str, Any]:
    cost = measured.get(plugin.module)
    return {
        "name": plugin.reference,
        "kind": plugin.kind,
        "entry": plugin.entry,
        "package": plugin.package or None,
        "version": plugin.version or None,
        "state": plugin.state,
        "used_by": list(plugin.used_by),
        "description": plugin.description,
        "broken": plugin.broken or None,
        "fix": plugin.fix or None,
        "settings": _json_of_settings(plugin.settings),
        "takes_any": plugin.takes_any,
        **({"cost": _json_of_cost(cost)} if measured else {}),
    }


def _json_of_settings(settings: Sequence[Setting] | None) -> list[dict[str, Any]] | None:
    if settings is None:
        return None
    keys = ("name", "type", "required", "default")
    return [{key: getattr(setting, key) for key in keys} for setting in settings]


def _json_of_cost(cost: Cost | None) -> dict[str, Any] | None:
    if cost is None:
        return None
    return {
        "own_ms": round(cost.own, 3),
        "total_ms": round(cost.total, 3),
        "memory_bytes": cost.memory,
        "modules": cost.modules,
    }
