"""What tests share: plugins really installed on the path, and runtimes that serve them."""

import importlib
import json
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from fcplug.config import loader
from fcplug.context import Context
from fcplug.runtime.runtime import Runtime

# tests run beside others, so a second says nothing about how hard it is to make an example
settings.register_profile("fcplug", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fcplug")


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """Undo what a shell (SIGINT) and nohup (SIGHUP) ignore: children of tests must get both."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates in what was captured: they cannot be sent between processes."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what started the containers: a runtime, or what stands in for it on this machine."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    said = {f"{name} {value}" for report in reports for name, value in report.user_properties}
    for line in sorted(said):
        terminalreporter.write_line(line)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """Put an empty folder first on the path; afterwards forget it and what came from it."""
    folder = tmp_path / "site"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name, module in sys.modules.items() if _is_from(folder, module)]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _is_from(folder: Path, module: object) -> bool:
    names = getattr(module, "__dict__", {})
    places = [names.get("__file__"), *(names.get("__path__") or ())]
    return any(str(place).startswith(str(folder)) for place in places)


@pytest.fixture
def code(site: Path) -> Callable[[str, str], Path]:
    """Return what writes a module that is not packaged: ``code("index", "def handle(): ...")``."""

    def write(name: str, text: str) -> Path:
        file = site / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), "utf-8")
        importlib.invalidate_caches()
        return file

    return write


@pytest.fixture
def install(site: Path, code: Callable[[str, str], Path]) -> Callable[..., Path]:
    """Return what installs a distribution as pip leaves it: modules, metadata, entry points.

    Entry points are given by their group: ``install("acme", handlers={"resize": "acme:resize"})``.
    """

    def put(
        dist: str,
        modules: Mapping[str, str] | None = None,
        *,
        requires: Sequence[str] = (),
        **offered: Mapping[str, str],
    ) -> Path:
        for name, text in (modules or {}).items():
            code(name, text)
        info = site / f"{dist.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        metadata = ["Metadata-Version: 2.1", f"Name: {dist}", "Version: 1.2"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(metadata) + "\n", "utf-8")
        lines: list[str] = []
        for group, names in offered.items():
            lines += [f"[fcplug.{group}]", *(f"{name} = {value}" for name, value in names.items())]
        (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")
        importlib.invalidate_caches()
        return info

    return put


@pytest.fixture
def serve() -> Callable[..., Runtime]:
    """Return what makes a runtime of the text of a ``functions.yaml``, or of its functions."""

    def make(
        text: str = "", /, *, environ: Mapping[str, str] | None = None, **functions: Any
    ) -> Runtime:
        entries = {
            name: {"handler": entry} if isinstance(entry, str) else entry
            for name, entry in functions.items()
        }
        text = dedent(text) or json.dumps({"version": 1, "functions": entries})
        return Runtime(loader.parse(text, "functions.yaml", environ or {}), environ or {})

    return make


@pytest.fixture
def called() -> Callable[..., Context]:
    """Return what makes the context of a call of a function: ``called("f", request_id="1-2")``."""

    def make(name: str = "", **headers: str) -> Context:
        sent = {f"x-fc-{key.replace('_', '-')}": value for key, value in headers.items()}
        return Context.from_headers({"x-fc-function-name": name, **sent}, {})

    return make
