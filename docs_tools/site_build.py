"""Build the site of the documentation into ``site/``, strictly, and check it.

The version comes from the package. Zensical reads its configuration from a file only, so the
configuration with the version is a file beside ``zensical.toml``, as long as the build takes.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import site_check

ROOT = site_check.ROOT


def version(project: Path) -> str:
    """Return the version of the package, from the one place that spells it."""
    text = (project / "fcplug" / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        sys.exit("fcplug/__init__.py has no __version__")
    return found[1]


def configured(text: str, number: str, *, published: bool) -> str:
    """Return ``zensical.toml`` with the version: in the title, or in the address and a menu."""
    if not published:
        return text.replace('site_name = "fcplug"', f'site_name = "fcplug {number}"')
    menu = '\n[project.extra.version]\nprovider = "mike" # a menu of what versions.json lists\n'
    return re.sub(r'^(site_url = ".*/)"$', rf'\g<1>{number}/"', text, flags=re.MULTILINE) + menu


def build(project: Path, *, published: bool = False) -> list[str]:
    """Build ``site/`` of a project, and return a line for each mistake of it."""
    text = (project / "zensical.toml").read_text("utf-8")
    file = project / ".zensical.toml"
    file.write_text(configured(text, version(project), published=published), "utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", file.name]
    for generated in ("site", ".cache"):  # --clean leaves pages of an earlier build
        shutil.rmtree(project / generated, ignore_errors=True)
    try:
        done = subprocess.run(
            command,
            cwd=project,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            return [_readable(done.stdout)]
        return site_check.check(project, project / "site", file)
    finally:
        file.unlink()


def _readable(output: str) -> str:
    """Return what the builder says about mistakes: without its colours and its own stack."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", output)
    return re.sub(r"Traceback \(most recent call last\):\n(?: .*\n)*", "", text)


def main() -> int:
    """Build and check; the exit code is 1 if there is a mistake."""
    found = build(ROOT)
    print("\n".join(found) or "site/index.html: every link, anchor and picture exists")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
