"""The triggers and the buckets of ``fcplug dev``."""

import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fcplug.config.model import FunctionSpec
from fcplug.cron import Schedule
from fcplug.errors import did_you_mean
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import BucketTrigger, FunctionConfig, TimerTrigger
from fcplug.platform.triggers import Triggers
from fcplug.tools.dev_lines import Lines
from fcplug.tools.exit_code import WrongUsage

VARIABLE = "FCPLUG_BUCKETS"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")

Trigger = TimerTrigger | BucketTrigger


class Buckets(NamedTuple):
    """Folders that stand for buckets.

    Attributes:
        folders: by the name of the bucket.
        variables: tell the functions where the buckets are mounted.
    """

    folders: Mapping[str, Path]
    variables: Mapping[str, str]


@contextmanager
def mounted(given: Iterable[str]) -> Iterator[Buckets]:
    """Mount buckets that are given as ``NAME=FOLDER``, each under its name in one new folder.

    Raises:
        WrongUsage: one of them is malformed, or its folder does not exist.
    """
    folders = dict(map(_bucket, given))
    if not folders:
        yield Buckets({}, {})
        return
    with tempfile.TemporaryDirectory(prefix="fcplug-buckets-") as mounts:
        for name, folder in folders.items():
            Path(mounts, name).symlink_to(folder)
        yield Buckets(folders, {VARIABLE: mounts})


def _bucket(given: str) -> tuple[str, Path]:
    name, equals, folder = given.partition("=")
    if not equals or not folder:
        raise WrongUsage(f"--bucket {given}: write --bucket NAME=FOLDER")
    if not _NAME.fullmatch(name):
        rule = "3 to 63 lowercase letters, digits and '-', which is neither first nor last"
        raise WrongUsage(f"--bucket {given}: a bucket's name has {rule}")
    path = Path(folder).expanduser()
    if not path.is_dir():
        fix = "name a folder" if path.exists() else f"mkdir -p {folder}"
        raise WrongUsage(f"--bucket {given}: {folder} is not a folder\n  fix: {fix}")
    return name, path.resolve()


def of_spec(spec: FunctionSpec) -> tuple[Trigger, ...]:
    """Return the triggers of a function that are enabled."""
    found: list[Trigger] = []
    for name, entry in spec.triggers.items():
        if entry.timer and entry.timer.enable:
            found.append(
                TimerTrigger(
                    function=spec.name,
                    name=name,
                    expression=entry.timer.cron_expression,
                    payload=entry.timer.payload,
                )
            )
        if entry.oss:
            found.append(
                BucketTrigger(
                    function=spec.name,
                    name=name,
                    bucket=entry.oss.bucket,
                    events=entry.oss.events,
                    prefix=entry.oss.prefix,
                    suffix=entry.oss.suffix,
                )
            )
    return tuple(found)


class ShownTriggers:
    """The triggers of the functions, with a line for each that is new and each that fires.

    Args:
        queue: gets the calls.
        folders: the folder of each bucket.
        lines: where the lines are printed.
    """

    def __init__(self, queue: AsyncQueue, folders: Mapping[str, Path], lines: Lines) -> None:
        self._folders = folders
        self._lines = lines
        self._shown: Sequence[Trigger] = ()
        self._said: set[str] = set()
        self._triggers = Triggers(queue, folders, self._say)

    def __enter__(self) -> "ShownTriggers":
        self._triggers.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._triggers.__exit__(*exception)

    def replace(self, functions: Iterable[FunctionConfig]) -> None:
        """Let the triggers of these functions fire, and no others."""
        functions = tuple(functions)
        self._triggers.replace(functions)
        before, self._shown = self._shown, [one for each in functions for one in each.triggers]
        for trigger in self._shown:
            if trigger not in before:
                self._lines.function(trigger.function, self._described(trigger), "dim")
        for text in set(_unused(self._folders, self._shown)) - self._said:
            self._said.add(text)
            self._lines.say(text, "warning")

    def _described(self, trigger: Trigger) -> str:
        """Return when a trigger fires, or why it does not."""
        if isinstance(trigger, TimerTrigger):
            now = time.time()
            due = Schedule(trigger.expression, now).next(now)
            when = "never" if due is None else time.strftime("%F %T %Z", time.localtime(due))
            return f"timer {trigger.name}: next {when}"
        name, where = trigger.bucket, self._folders.get(trigger.bucket)
        if where is None:
            return f"oss {trigger.name}: bucket {name} has no folder here: --bucket {name}=FOLDER"
        return f"oss {trigger.name}: bucket {name} is {where}"

    def _say(self, function: str, text: str, *, failed: bool = False) -> None:
        style = "warning" if failed else ""
        if function:
            self._lines.function(function, text, style)
        else:
            self._lines.say(text, style)


def _unused(folders: Iterable[str], triggers: Iterable[Trigger]) -> Iterator[str]:
    """Yield a line for each bucket that no trigger is for, if there are any for buckets."""
    wanted = [each.bucket for each in triggers if isinstance(each, BucketTrigger)]
    for name in folders:
        if wanted and name not in wanted:
            yield f"bucket {name}: no trigger is for it{did_you_mean(name, wanted)}"
