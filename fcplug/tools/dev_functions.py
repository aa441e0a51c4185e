"""The functions that ``fcplug dev`` runs, as Function Compute would have them configured."""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fcplug.config import loader, search
from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec
from fcplug.errors import ConfigError
from fcplug.inspection import deployment, locating, timers
from fcplug.inspection.deployment import Deployed
from fcplug.inspection.process import Progress, reports
from fcplug.platform.model import FunctionConfig, HealthCheck
from fcplug.tools import dev_triggers
from fcplug.tools.exit_code import WrongUsage

START = "bootstrap"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # as in functions.yaml
_HOOK_TIMEOUT = 30.0  # seconds, for a hook that s.yaml does not give a time: what check advises
_TIMEOUT = 60.0  # seconds, for a function that s.yaml does not give a time
_MARGIN = 5.0  # seconds above the function's own limit: its error says more than FC's
# compiled code is told from its source by size and second: too coarse for quick edits
NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
_LOAD_LIMIT = 60.0  # seconds that the plugins of one function may take to be imported


class Functions(NamedTuple):
    """What is to run.

    Attributes:
        file: the configuration, empty for a command that is not fcplug.
        folder: where the start command runs: the code folder.
        configs: the functions by name.
        mistakes: what keeps the plugins of a function from being loaded, a line each.
    """

    file: str
    folder: Path
    configs: Mapping[str, FunctionConfig]
    mistakes: Sequence[str] = ()

    def frozen(self) -> "Functions":
        """Return a copy whose instances are frozen between calls."""
        configs = {
            name: msgspec.structs.replace(config, freeze=True)
            for name, config in self.configs.items()
        }
        return self._replace(configs=configs)


def of_command(name: str, command: str, environ: Mapping[str, str], folder: Path) -> Functions:
    """Return the one function that any start command serves, such as ``python3 server.py``.

    Raises:
        WrongUsage: the command cannot be split into words or is empty, or the name is invalid.
    """
    if not _NAME.fullmatch(name):
        raise WrongUsage(
            f"--function {name!r} cannot be a name: it begins with a letter, a digit or '_', then "
            "come at most 127 of these, '.' and '-'"
        )
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise WrongUsage(f"--command {command!r} cannot be used: {error}") from None
    if not words:
        raise WrongUsage("--command is empty: write the command that starts the server")
    config = FunctionConfig(
        name=name,
        folder=folder,
        command=words,
        environment={**NO_BYTECODE, **environ},
        timeout=_TIMEOUT,
    )
    return Functions("", folder, {name: config})


def of_file(
    given: str | None, environ: Mapping[str, str], extra: Mapping[str, str], progress: Progress
) -> Functions:
    """Return the functions of a configuration, with the settings that ``s.yaml`` has for them.

    The plugins are loaded in a process of their own to see which hooks they have. FC is asked for
    exactly these hooks.

    Args:
        given: the path of the configuration; without it, the one that ``fcplug serve`` would find.
        environ: the environment of this process. Of it, a function gets the variables that the
            configuration names.
        extra: more variables of the functions.
        progress: is called before each function.

    Raises:
        ConfigError: the configuration is missing or has mistakes.
        WrongUsage: there is no ``bootstrap`` that can be started.
    """
    file = locating.locate(given, environ, "fcplug dev --config")
    text = loader.read(file)
    used = _Used({**environ, **extra})
    config = loader.parse(text, file, used)
    folder = _code_folder(file)
    deployed = _deployed(file)
    variables = {
        search.VARIABLE: os.path.abspath(file),
        "FCPLUG_PYTHON": environ.get("FCPLUG_PYTHON") or sys.executable,
        **used.found,
        **extra,
    }
    if unknown := list(timers.unknown_zones(config)):
        raise ConfigError(unknown)
    hooks, mistakes = _hooks(config, text, progress)
    configs = {}
    for name, spec in config.functions.items():
        one = _configured(spec, folder, deployed.get(name), hooks.get(name, ()))
        configs[name] = msgspec.structs.replace(
            one, environment={**one.environment, **variables, **NO_BYTECODE}
        )
    return Functions(file, folder, configs, mistakes)


class _Used(Mapping[str, str]):
    """The environment, and the variables of it that were asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.found: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self._environ[name]
        self.found[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def _code_folder(file: str) -> Path:
    """Return the folder whose ``bootstrap`` is started.

    Raises:
        WrongUsage: there is none, or it may not be run.
    """
    config = Path(file).resolve()
    folders = dict.fromkeys([Path.cwd(), config.parent, config.parent.parent])
    for folder in folders:
        start = folder / START
        if not start.is_file():
            continue
        if not os.access(start, os.X_OK):
            raise WrongUsage(f"{start} may not be run\n  fix: chmod 755 {shlex.quote(str(start))}")
        return folder
    looked = ", ".join(map(str, folders))
    raise WrongUsage(
        f"there is no bootstrap, which Function Compute starts; looked in: {looked}\n"
        "  fix: fcplug bootstrap -o bootstrap\n"
        "       or, for another runtime: fcplug dev --command 'python3 server.py' --function NAME"
    )


def _deployed(file: str) -> Mapping[str, Deployed]:
    found = deployment.find(file)
    functions, problems = deployment.read(found) if found else ([], [])
    if problems:
        raise ConfigError(problems)
    return {each.name: each for each in functions}


def _hooks(
    config: Config, text: str, progress: Progress
) -> tuple[Mapping[str, Sequence[str]], Sequence[str]]:
    """Return the hooks of each function, and what is wrong with those that cannot be loaded."""
    names = list(config.functions)
    hooks: dict[str, Sequence[str]] = {}
    mistakes = []
    job = {"text": text, "file": config.file}
    for done, report in enumerate(reports("functions", names, job, limit=_LOAD_LIMIT)):
        progress(done, len(names), report.item)
        hooks[report.item] = report.answer.get("hooks", ())
        mistakes += [f"{report.item}: {each['what']}" for each in report.answer.get("errors", ())]
        if report.failure:
            mistakes.append(f"{report.item}: its plugins cannot be loaded: {report.failure}")
    return hooks, mistakes


def _configured(
    spec: FunctionSpec, folder: Path, deployed: Deployed | None, hooks: Sequence[str]
) -> FunctionConfig:
    config = FunctionConfig(
        name=spec.name,
        folder=folder,
        command=(f"./{START}", "--host", "127.0.0.1"),  # FC's own network is not a laptop's
        timeout=max(_TIMEOUT, (spec.timeout or 0) + _MARGIN),
        initializer="initialize" in hooks,
        initialization_timeout=_HOOK_TIMEOUT,
        pre_freeze="pre_freeze" in hooks,
        pre_stop="pre_stop" in hooks,
        pre_stop_timeout=_HOOK_TIMEOUT,
        triggers=dev_triggers.of_spec(spec),
    )
    return msgspec.structs.replace(config, **_of_deployed(deployed)) if deployed else config


_NUMBERS = {
    "timeout": "timeout",
    "memorySize": "memory",
    "instanceConcurrency": "instance_concurrency",
    "instanceLifecycleConfig.initializer.timeout": "initialization_timeout",
    "instanceLifecycleConfig.preStop.timeout": "pre_stop_timeout",
}


_CHECK = {
    "initialDelaySeconds": "initial_delay",
    "periodSeconds": "period",
    "timeoutSeconds": "timeout",
    "failureThreshold": "failure_threshold",
    "successThreshold": "success_threshold",
}


def _of_deployed(deployed: Deployed) -> dict[str, Any]:
    """Return the settings that ``s.yaml`` has."""
    found: dict[str, Any] = {}
    for key, name in _NUMBERS.items():
        if isinstance(value := deployed.get(key), int):
            found[name] = value
    if isinstance(handler := deployed.get("handler"), str):
        found["handler"] = handler
    check = deployed.get("customRuntimeConfig.healthCheckConfig")
    if isinstance(check, dict) and isinstance(path := check.get("httpGetUrl"), str):
        times = {
            name: check[key] for key, name in _CHECK.items() if isinstance(check.get(key), int)
        }
        found["health_check"] = HealthCheck(path=path, **times)
    variables = deployed.get("environmentVariables")
    if isinstance(variables, dict):
        found["environment"] = {
            name: str(value) for name, value in variables.items() if "${" not in str(value)
        }
    return found
