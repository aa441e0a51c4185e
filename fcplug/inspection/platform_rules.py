"""What Function Compute will trip over: a configuration against the ``s.yaml`` that deploys it."""

from collections.abc import Generator, Iterator, Mapping, Sequence

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.config.model import FunctionSpec
from fcplug.errors import UnknownFunction, did_you_mean
from fcplug.inspection.deployment import Deployed
from fcplug.inspection.explanation import Question, explain
from fcplug.inspection.finding import Finding
from fcplug.inspection.reachable import reachable

Hooks = Mapping[str, Sequence[str]]
"""The hooks that the plugins of each function have."""

_SWITCHES = {
    "initialize": ("initializer", "the first call of each instance waits for it"),
    "pre_stop": ("preStop", "it runs only if FC sends SIGTERM before it ends the instance"),
}


_KEPT = (*protocol.CREDENTIAL_VARIABLES, "accessKeyID", "accessKeySecret", "securityToken", "topic")


def is_set_by_fc(variable: str) -> bool:
    """Return whether every instance has a variable from FC itself; users may not set these."""
    return variable.startswith(("FC_", "_FC_")) or variable in _KEPT


def findings(config: Config, deployed: Sequence[Deployed], hooks: Hooks) -> Iterator[Finding]:
    """Yield what will surprise on FC."""
    yield from _of_health_path(config)
    for each in deployed:
        yield from _of_runtime(each)
        yield from _of_capacity(config, each)
        names = yield from _of_name(config, each)
        for name in names:
            spec = config.functions[name]
            yield from _of_timeout(config, spec, each)
            yield from _of_hooks(config, spec, hooks.get(name, ()), each)
        yield from _of_health_check(config, names, each)


def _of_health_path(config: Config) -> Iterator[Finding]:
    path = config.runtime.health_path
    phases = {phase.value for phase in protocol.Phase}
    applications = any(spec.application for spec in config.functions.values())
    at: Path = ("runtime", "health_path")
    if path in phases:
        what = f"{path} is a path of FC's own: calls to it would be answered as health checks"
        yield _ours(config, at, what, "fc-health-path", "choose another path, such as /health")
    elif path == "/" and applications:
        what = "the applications never see GET /: it is answered as a health check"
        yield _ours(config, at, what, "fc-health-path", "choose another path, such as /health")


def _of_runtime(each: Deployed) -> Iterator[Finding]:
    runtime = each.get("runtime")
    if isinstance(runtime, str) and not runtime.startswith("custom"):
        what = f"FC's own runtime {runtime} would run this, and not fcplug"
        yield _theirs(each, "runtime", what, "fc-runtime", "write runtime: custom.debian12")


def _of_capacity(config: Config, each: Deployed) -> Iterator[Finding]:
    wanted = each.number("instanceConcurrency", 1)
    threads = config.runtime.threads * config.runtime.processes
    if wanted is not None and threads < wanted:
        what = (
            f"FC sends {wanted} calls at once to an instance ({each.file}, {each.name}), and "
            f"runtime.threads answers {threads}: the others wait"
        )
        least = -(-wanted // config.runtime.processes)
        fix = f"write threads: {least}, or lower instanceConcurrency"
        yield _ours(config, ("runtime", "threads"), what, "fc-concurrency", fix)


def _of_name(config: Config, each: Deployed) -> Generator[Finding, None, list[str]]:
    """Yield what is wrong with who answers, and return the names of the functions that may."""
    handler = each.get("handler")
    handler = handler if isinstance(handler, str) else ""
    answer = explain(config, Question(function=each.name, handler=handler))
    names = reachable(config, each.name, handler)
    if isinstance(answer.failure, UnknownFunction):
        hint = did_you_mean(each.name, config.functions)
        what = f"no function of {config.file} answers '{each.name}'{hint}"
        if names:
            what = f"{config.file} answers only some calls of '{each.name}', by its routes"
        yield _theirs(each, "functionName", what, "fc-function", "add the function, or a default")
    if answer.by == "default":
        what = f"'{each.name}' is not in {config.file}: the default, '{config.default}', answers"
        yield _theirs(each, "functionName", what, "fc-function", "add the function, or a route")
    if answer.by == "name" and handler in config.functions and handler != each.name:
        what = f"'{each.name}' answers, and not '{handler}': the name comes before the handler"
        yield _theirs(each, "handler", what, "fc-handler", f"write handler: {each.name}")
    return names


def _of_timeout(config: Config, spec: FunctionSpec, each: Deployed) -> Iterator[Finding]:
    limit = each.timeout
    if limit is None or spec.timeout is None or spec.timeout <= limit:
        return
    given = f"{each.file} gives '{each.name}' {limit} seconds"
    if "timeout" not in each.props:
        given = f"{each.file} gives '{each.name}' no timeout, and FC's own is {limit} seconds"
    what = f"{spec.timeout:g} seconds are never reached: {given}"
    own: Path = ("functions", spec.name, "timeout")
    path = own if own in config.document.locations else ("defaults", "timeout")
    fix = f"write timeout: {spec.timeout:g} in {each.file}, or lower this one"
    yield _ours(config, path, what, "fc-timeout", fix)


def _of_hooks(
    config: Config, spec: FunctionSpec, hooks: Sequence[str], each: Deployed
) -> Iterator[Finding]:
    path: Path = ("functions", spec.name)
    for hook, (switch, then) in _SWITCHES.items():
        if hook in hooks and f"instanceLifecycleConfig.{switch}" not in each.locations:
            what = f"the hook {hook} is there, and {each.file} does not ask for it: {then}"
            fix = (
                f"add instanceLifecycleConfig: {{{switch}: {{handler: {hook}, timeout: 30}}}} to "
                f"'{each.name}' in {each.file}"
            )
            yield _ours(config, path, what, f"fc-{hook.replace('_', '-')}", fix)
    if "pre_freeze" in hooks:
        what = "the hook pre_freeze is there, and FC 3.0 never calls it"
        fix = "do at the end of invoke what must be done before a freeze"
        yield _ours(config, path, what, "fc-pre-freeze", fix)


def _of_health_check(config: Config, names: Sequence[str], each: Deployed) -> Iterator[Finding]:
    at = "customRuntimeConfig.healthCheckConfig.httpGetUrl"
    url = each.get(at)
    if not names or not isinstance(url, str) or url == config.runtime.health_path:
        return
    if any(config.functions[name].application for name in names):
        return  # the application may answer it
    what = f"FC asks {url}, and runtime.health_path is {config.runtime.health_path}"
    yield _theirs(each, at, what, "fc-health-path", f"write health_path: {url} in {config.file}")


def _ours(config: Config, path: Path, what: str, rule: str, fix: str) -> Finding:
    return Finding.of(config.document.problem(path, what), "warning", rule, fix)


def _theirs(each: Deployed, at: str, what: str, rule: str, fix: str) -> Finding:
    return Finding.of(each.problem(at, what), "warning", rule, fix)
