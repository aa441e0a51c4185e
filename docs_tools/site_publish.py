"""Add the documentation of this version to a folder that holds one folder for each version.

``python docs_tools/site_publish.py FOLDER`` is for a checkout of the branch that is published. It
writes ``FOLDER/1.2.3/``, ``FOLDER/versions.json``, from which the menu of versions in the header is
made, and pages that lead from the folder itself, and from ``latest/``, to the newest version.
"""

import json
import shutil
import sys
from pathlib import Path

from packaging.version import Version

import site_build

_REDIRECT = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={target}">
<title>fcplug</title>
<a href="{target}">The documentation of fcplug</a>
"""


def publish(project: Path, folder: Path) -> list[str]:
    """Build the site of a project, and add it; return its mistakes, and add nothing then."""
    if found := site_build.build(project, published=True):
        return found
    number = site_build.version(project)
    shutil.rmtree(folder / number, ignore_errors=True)
    shutil.copytree(project / "site", folder / number)
    numbers = [file.name for file in folder.iterdir() if file.is_dir() and file.name[0].isdigit()]
    numbers.sort(key=Version, reverse=True)
    newest = next((each for each in numbers if not Version(each).is_prerelease), numbers[0])
    listed = [
        {"version": each, "title": each, "aliases": ["latest"] if each == newest else []}
        for each in numbers
    ]
    (folder / "versions.json").write_text(json.dumps(listed, indent=2) + "\n")
    (folder / "index.html").write_text(_REDIRECT.format(target=f"{newest}/"))
    (folder / "latest").mkdir(exist_ok=True)
    (folder / "latest" / "index.html").write_text(_REDIRECT.format(target=f"../{newest}/"))
    shutil.copy(folder / newest / "404.html", folder / "404.html")
    (folder / ".nojekyll").touch()  # the pages are not to be built once more
    return []


def main() -> int:
    """Publish into the folder that is named; the exit code is 1 if there is a mistake."""
    found = publish(site_build.ROOT, Path(sys.argv[1]))
    print("\n".join(found) or f"added {site_build.version(site_build.ROOT)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
