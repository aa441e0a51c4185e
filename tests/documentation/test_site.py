"""The site of the documentation is built strictly: what leads nowhere fails the build."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import site_build
import site_check
import site_publish
from support.deployed import ROOT

NAV = """
[project]
site_name = "fcplug"
site_url = "https://shop.example/docs/"
repo_url = "https://github.com/fcplug/fcplug"
nav = ["index.md", "guide.md"{more}]
"""


def build(folder: Path, index: str, more: str = "") -> Path:
    """Build a site of two pages, in the way of ``make docs``."""
    (folder / "docs").mkdir()
    (folder / "zensical.toml").write_text(NAV.format(more=more))
    (folder / "docs" / "index.md").write_text(f"# Shop\n\n{index}\n")
    (folder / "docs" / "guide.md").write_text("# Guide\n\n## Tea\n")
    (folder / "README.md").touch()
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    subprocess.run(
        command,
        cwd=folder,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    return folder


def mistakes(folder: Path) -> list[str]:
    return site_check.check(folder, folder / "site", folder / "zensical.toml")


@pytest.mark.slow
def test_make_docs_builds_the_site_and_finds_no_mistake() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        ["make", "docs"],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ROOT / "site" / "how-to" / "plugins" / "index.html").exists()
    assert (ROOT / "site" / "search.json").exists()


def test_a_link_or_an_anchor_that_is_broken_fails_the_build(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        build(tmp_path, "[tea](nowhere.md) [tea](guide.md#coffee)")
    assert b"page does not exist" in failed.value.output
    assert b"anchor does not exist" in failed.value.output


def test_what_the_builder_does_not_see_is_found_in_the_built_pages(tmp_path: Path) -> None:
    repository = "https://github.com/fcplug/fcplug/blob/main"
    right = f"[a](guide.md#tea) [b]({repository}/README.md) [c](https://example.com/x) [d](#shop)"
    wrong = {
        "![tea](tea.png)": "tea.png: the site has no such file",
        '<a href="tea/">tea</a>': "tea/: the site has no such file",
        '<a href="guide/#no">tea</a>': "guide/#no: the page has no such anchor",
        f"[tea]({repository}/tea.py)": f"{repository}/tea.py: the repository has no such file",
        "[tea](https://shop.example/docs/tea/)": "https://shop.example/docs/tea/: "
        "the site has no such file",
    }
    folder = build(tmp_path, "\n".join([right, *wrong]))
    assert mistakes(folder) == [f"index.html: {mistake}" for mistake in wrong.values()]


def test_what_would_end_a_list_in_the_site_is_a_mistake(tmp_path: Path) -> None:
    right = "1. Tea:\n\n    ```\n    a\n    ```\n\n2. Milk\n   and sugar\n\n```\n\n  made\n```\n"
    folder = build(tmp_path, f"{right}\n1. Tea:\n\n   cups\n\n2. Milk")
    assert "<ol>\n<li>Milk</li>" in (folder / "site" / "index.html").read_text()
    assert mistakes(folder) == [
        "docs/index.md:19: the list ends before this line: indent the line by 4 spaces"
    ]


def test_the_navigation_names_exactly_the_pages_that_exist(tmp_path: Path) -> None:
    folder = build(tmp_path, "", more=', {"Coffee" = ["coffee.md"]}')
    (folder / "docs" / "cocoa.md").touch()
    assert mistakes(folder)[:2] == [
        "zensical.toml: coffee.md: the navigation names it, and it does not exist",
        "zensical.toml: cocoa.md: it exists, and the navigation does not name it",
    ]


def test_each_version_is_published_beside_the_others_and_the_newest_is_the_one_that_is_shown(
    tmp_path: Path,
) -> None:
    project, published = tmp_path / "project", tmp_path / "published"
    for folder in (project / "docs", project / "fcplug", published):
        folder.mkdir(parents=True)
    (project / "docs" / "index.md").write_text("# Shop\n")
    (project / "docs" / "guide.md").write_text("# Guide\n")
    (project / "zensical.toml").write_text(NAV.format(more=""))
    for version in ("0.9.0", "0.10.0", "0.11.0rc1"):
        (project / "fcplug" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        assert site_publish.publish(project, published) == []
    listed = json.loads((published / "versions.json").read_text())
    assert [(each["version"], each["aliases"]) for each in listed] == [
        ("0.11.0rc1", []), ("0.10.0", ["latest"]), ("0.9.0", []),
    ]  # fmt: skip
    assert 'url=0.10.0/"' in (published / "index.html").read_text()
    assert 'url=../0.10.0/"' in (published / "latest" / "index.html").read_text()
    for page in ("0.9.0/index.html", "0.9.0/guide/index.html", "0.11.0rc1/index.html"):
        assert (published / page).exists()
    assert "/docs/0.10.0/" in (published / "404.html").read_text()


def test_the_version_is_in_the_title_of_a_site_that_is_built_here() -> None:
    text = (ROOT / "zensical.toml").read_text()
    assert 'site_name = "fcplug 1.2.3"' in site_build.configured(text, "1.2.3", published=False)


def test_the_workflow_publishes_with_the_command_of_the_page() -> None:
    text = (ROOT / ".github" / "workflows" / "docs.yml").read_text()
    steps = yaml.safe_load(text)["jobs"]["publish"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    assert ".venv/bin/python docs_tools/site_publish.py published" in scripts
    for script in scripts:
        subprocess.run(["bash", "-n", "-c", script], check=True)
    assert "`docs.yml`" in (ROOT / "docs" / "contributing" / "releasing.md").read_text()
