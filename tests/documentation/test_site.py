"""The site of the documentation is built strictly: what leads nowhere fails the build."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import site_check
from support.deployed import ROOT

NAV = """
[project]
site_name = "shop"
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
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


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


@pytest.mark.parametrize("link", ["[tea](nowhere.md)", "[tea](guide.md#coffee)"])
def test_a_link_or_an_anchor_that_is_broken_fails_the_build(tmp_path: Path, link: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        build(tmp_path, link)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("![tea](tea.png)", "index.html: tea.png: the site has no such file"),
        ('<a href="tea/">tea</a>', "index.html: tea/: the site has no such file"),
        ('<a href="guide/#no">tea</a>', "index.html: guide/#no: the page has no such anchor"),
        (
            "[tea](https://github.com/fcplug/fcplug/blob/main/tea.py)",
            "index.html: https://github.com/fcplug/fcplug/blob/main/tea.py: "
            "the repository has no such file",
        ),
        (
            "[tea](https://shop.example/docs/tea/)",
            "index.html: https://shop.example/docs/tea/: the site has no such file",
        ),
    ],
)
def test_what_the_builder_does_not_see_is_found_in_the_built_pages(
    tmp_path: Path, text: str, mistake: str
) -> None:
    folder = build(tmp_path, text)
    assert site_check.check(folder, folder / "site") == [mistake]


def test_what_exists_is_no_mistake(tmp_path: Path) -> None:
    readme = "[readme](https://github.com/fcplug/fcplug/blob/main/README.md)"
    links = f"[tea](guide.md#tea) {readme} [other](https://example.com/x) [top](#shop)"
    folder = build(tmp_path, links)
    assert site_check.check(folder, folder / "site") == []


def test_the_navigation_names_exactly_the_pages_that_exist(tmp_path: Path) -> None:
    folder = build(tmp_path, "", more=', {"Coffee" = ["coffee.md"]}')
    (folder / "docs" / "cocoa.md").touch()
    assert site_check.check(folder, folder / "site")[:2] == [
        "zensical.toml: coffee.md: the navigation names it, and it does not exist",
        "zensical.toml: cocoa.md: it exists, and the navigation does not name it",
    ]
