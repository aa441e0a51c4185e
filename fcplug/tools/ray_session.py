"""One run of ``fcplug ray``: the cluster, edits, and the end."""

import os
import signal
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import fcplug
from fcplug import protocol
from fcplug.config.file import ConfigFile
from fcplug.config.loader import Config
from fcplug.errors import ConfigError
from fcplug.plugins import code_path
from fcplug.ray import plan
from fcplug.ray.application import EntryPlace
from fcplug.ray.cluster import Cluster, State, Where
from fcplug.tools import exit_code
from fcplug.tools.terminal import output, printable

_INTERVAL = 0.5  # seconds between two looks at the file and at the cluster
_RUNNING = "RUNNING"


class Session:
    """Runs a configuration on a cluster until a stop signal.

    Args:
        file: the configuration, read again for edits.
        config: what it holds now.
        entry: replicas of the entry, and where they run.
    """

    def __init__(self, file: ConfigFile, config: Config, entry: EntryPlace) -> None:
        self._file = file
        self._config = config
        self._entry = entry
        self._out = output()
        self._signal = 0
        self._shown: dict[str, str] = {}
        self._announced = False  # that the version which was deployed last serves

    def run(self, options: Mapping[str, Any]) -> int:
        """Serve until SIGINT or SIGTERM, and return the exit code.

        Raises:
            ClusterError: there is no cluster, or it cannot listen.
        """
        where = Where(
            options["address"] or None,
            options["host"],
            options["port"],
            everywhere=not options["head_only"],
            upload=options["upload"],
        )
        self._say(f"fcplug {fcplug.__version__}: {self._joining(where)}")
        cluster = Cluster(where, code_path.folder(os.environ))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)  # Ray has set its own
        try:
            cluster.deploy(self._config, self._entry)
            while self._continues():
                self._show(cluster, where)
                self._look_for_edit(cluster)
        finally:
            self._say("ending: the functions finish their calls")
            cluster.close()
        self._say("ended")
        return exit_code.INTERRUPTED if self._signal == signal.SIGINT else exit_code.FINE

    def _joining(self, where: Where) -> str:
        if where.address:
            return f"joining the Ray cluster at {where.address}"
        return "starting Ray on this machine"

    def _show(self, cluster: Cluster, where: Where) -> None:
        """Print what has changed at the cluster."""
        word, states = cluster.states()
        for name, state in sorted(states.items()):
            text = _described(state)
            if self._shown.get(name) != text:
                self._shown[name] = text
                self._say(f"  {name}: {text}", "" if state.status == "HEALTHY" else "dim")
        for name in [name for name in self._shown if name not in states]:
            del self._shown[name]
            self._say(f"  {name}: removed")
        if word == _RUNNING and not self._announced:
            self._announced = True
            self._say(self._serving(where))

    def _serving(self, where: Where) -> str:
        count = len(self._config.functions)
        spec = next(iter(self._config.functions.values()))
        url = f"http://{where.host}:{where.port}/"
        asked = f"{url}invoke -d Ada" if spec.handler else url
        return (
            f"serving {count} function{'' if count == 1 else 's'} of {self._config.file} at {url}\n"
            f"try: curl -H '{protocol.FUNCTION_NAME}: {spec.name}' {asked}"
        )

    def _look_for_edit(self, cluster: Cluster) -> None:
        """Take an edit over, unless it has mistakes."""
        try:
            config = self._file.changed()
        except ConfigError as error:
            self._refuse(str(error))
            return
        if config is None:
            return
        if config.runtime != self._config.runtime:
            self._say("the keys of runtime that changed count after a restart only", "warning")
        mistakes = cluster.mistakes(self._config, config)
        if mistakes:
            self._refuse("\n".join(mistakes))
            return
        before, self._config = self._config, config
        self._announced = False
        cluster.deploy(config, self._entry)
        self._say(f"the edit is taken over ({_changes(before, config)})")

    def _refuse(self, why: str) -> None:
        self._say(f"the edit is refused, the functions from before serve on:\n{why}", "error")

    def _say(self, text: str, style: str = "") -> None:
        self._out.print(printable(text), style=style)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number

    def _continues(self) -> bool:
        time.sleep(_INTERVAL)
        return not self._signal


def _described(state: State) -> str:
    counts = ", ".join(f"{count} {word.lower()}" for word, count in sorted(state.replicas.items()))
    text = f"{state.status.lower().replace('_', ' ')}, replicas: {counts or 'none'}"
    return f"{text}\n    {state.message}" if state.message else text


def _changes(before: Config, after: Config) -> str:
    """Return what an edit changed, in words."""
    old = {deployment.name: deployment for deployment in plan.deployments(before)}
    new = {deployment.name: deployment for deployment in plan.deployments(after)}
    kept = [name for name in new if name in old]
    parts = {
        "new": [name for name in new if name not in old],
        "gone": [name for name in old if name not in new],
        "new replicas": [name for name in kept if new[name].code != old[name].code],
        "changed in place": [
            name for name in kept if new[name].code == old[name].code and new[name] != old[name]
        ],
    }
    texts = [f"{what}: {', '.join(sorted(names))}" for what, names in parts.items() if names]
    if (before.routes, before.default) != (after.routes, after.default):
        texts.append("routes")
    return "; ".join(texts) or "functions unchanged"
