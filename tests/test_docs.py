"""The documentation is true: the reference is what the code is, every snippet runs."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import msgspec
import pytest

import reference
from fcplug import Context
from fcplug.config import loader
from fcplug.config.scale import ScaleEntry
from fcplug.runtime.runtime import Runtime
from fcplug.web.response import Response
from support.documents import BLOCKS, WALKS, Block

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("plugins/*/*.md")])


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_key_of_scale_is_documented_with_its_default_on_ray() -> None:
    page = (ROOT / "docs" / "how-to" / "ray.md").read_text()
    for field in msgspec.structs.fields(ScaleEntry):
        shown = field.default if isinstance(field.default, float) else ""
        assert f"\n| `{field.encode_name}` | {shown}" in page


@pytest.mark.parametrize("name", [name for name in vars(Context) if not name.startswith("_")])
def test_every_attribute_of_the_context_is_documented(name: str) -> None:
    aliases = {"requestId", "accountId", "retryCount"}
    ours = {"from_headers", "to_headers", "to_values", "variables", "age", "cancel"}
    ours |= {"for_function", "again"}
    assert (
        name in aliases | ours
        or f"`{name}" in (ROOT / "docs" / "how-to" / "plugins.md").read_text()
    )


def test_the_documented_configuration_is_right() -> None:
    guides = ("deploying", "moving", "ray", "web")
    for page in ("docs/reference/configuration.md", *(f"docs/how-to/{name}.md" for name in guides)):
        for text in blocks(page, "yaml"):
            if "import_path:" not in text:  # of Ray; the test of a cluster serves it
                loader.parse(text, page, {})


def test_the_documented_handlers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snippets = [*blocks("README.md", "python"), *blocks("docs/how-to/plugins.md", "python")]
    assert len(snippets) == 4
    functions = {
        "readme_function": ("handle", b'{\n    "hello": "Ada",\n    "id": "r-1"\n}'),
        "page_function": ("handle", b'{\n    "hello": "Ada"\n}'),
        "page_module": ("", b"Ada"),
        "page_class": ("Resize", b"320 pixels"),
    }
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "documented").mkdir()
    entries = []
    for (module, (attribute, _)), snippet in zip(functions.items(), snippets, strict=False):
        (tmp_path / "documented" / f"{module}.py").write_text(snippet)
        name = attribute or module
        path = f"documented.{module}" if attribute else "documented"
        entries.append(f"  {module}: {{handler: '{path}:{name}'}}\n")
    (tmp_path / "documented" / "__init__.py").write_text("from documented import page_module\n")
    runtime = Runtime(loader.parse(f"version: 1\nfunctions:\n{''.join(entries)}", "f.yaml", {}), {})
    for module, (_, expected) in functions.items():
        headers = {"x-fc-function-name": module, "x-fc-request-id": "r-1"}
        answer = runtime.invoke(b"Ada", Context.from_headers(headers, {}))
        assert (answer.body, answer.error) == (expected, None)


def test_the_documented_cache_answers_in_place_of_the_handler(
    code: Callable[[str, str], Path],
) -> None:
    (snippet,) = (
        text for text in blocks("docs/how-to/middleware.md", "python") if "class Cached" in text
    )
    code("cached", snippet)
    code("counting", "acts = []\ndef handle(event):\n  acts.append(event)\n  return len(acts)\n")
    text = "version: 1\nfunctions: {f: {handler: 'counting:handle', middleware: ['cached:Cached']}}"
    runtime = Runtime(loader.parse(text, "f.yaml", {}), {})
    context = Context.from_headers({"x-fc-function-name": "f"}, {})
    assert [runtime.invoke(event, context).body for event in (b"a", b"a", b"b")] == [
        b"1", b"1", b"2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "target", "expected"),
    [
        (0, "/hello?name=Ada", {"hello": "Ada", "id": "r-1"}),
        (1, "/prices/tea", {"price": 3, "id": "r-1"}),
    ],
)
def test_the_documented_applications_serve(
    code: Callable[[str, str], Path], number: int, target: str, expected: object
) -> None:
    code(("shop", "market")[number], blocks("docs/how-to/web.md", "python")[number])
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query}
    setup_testing_defaults(environ)
    runtime = Runtime(loader.parse(blocks("docs/how-to/web.md", "yaml")[number], "f.yaml", {}), {})
    answer = runtime.web(environ, Context.from_headers({"x-fc-request-id": "r-1"}, {}))
    assert isinstance(answer, Response)
    assert json.loads(b"".join(answer.body)) == expected
    assert runtime.stop(20)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_page_that_is_made_from_the_code_is_as_the_code_is_now(page: str) -> None:
    stale = "is stale: run `make reference`, and look at what it changes"
    assert reference.made(page) == (reference.DOCS / page).read_text(), f"docs/{page} {stale}"


@pytest.mark.parametrize("page", reference.PAGES)
def test_every_row_of_a_table_says_something(page: str) -> None:
    text = (reference.DOCS / page).read_text()
    if page in ("reference/events.md", "reference/command-line.md"):
        return  # the last cell is a default, or a help that has tests of its own
    assert re.findall(r"^\|.*\|\s*\|$", text, re.MULTILINE) == [], "write what it means, there"


def test_the_chart_of_the_site_is_that_of_the_last_run() -> None:
    shown, drawn = ROOT / "docs/explanation/chart.png", ROOT / "bench/chart.png"
    assert shown.read_bytes() == drawn.read_bytes(), "cp bench/chart.png docs/explanation/"


SESSIONS = {
    **WALKS,
    "README.md": "tests/integration/test_readme.py",
    "docs/how-to/deploying.md": "tests/integration/test_readme.py",
    "docs/how-to/kubernetes.md": "tests/tools/test_manifest_page.py",
    "docs/how-to/s-yaml.md": "tests/tools/test_manifest_page.py",
    "docs/reference/commands.md": "tests/tools/test_commands_page.py",
    "plugins/idempotency/README.md": "plugins/idempotency/tests/test_idempotency_package.py",
    "plugins/metrics/README.md": "plugins/metrics/tests/test_metrics_package.py",
    "plugins/otel/README.md": "plugins/otel/tests/test_otel_package.py",
    "plugins/thumbnail/README.md": "plugins/thumbnail/tests/test_thumbnail_package.py",
    "plugins/validate/README.md": "plugins/validate/tests/test_validate_package.py",
}
"""Pages whose console sessions are run by a test."""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_is_run_by_a_test_or_the_page_says_why_not(block: Block) -> None:
    if block.language in ("console", "sh", "dockerfile") and not block.reason:
        test = SESSIONS.get(block.page, "")
        advice = f"{block.place}: run it in a test, or say why not: <!-- not run: why -->"
        assert test, advice
        assert (ROOT / test).exists()
    for named in re.findall(r"tests/[\w/]+(?:\.py)?", block.reason):
        assert (ROOT / named).exists(), f"{block.place}: {named} does not exist"
