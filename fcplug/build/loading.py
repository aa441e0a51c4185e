"""Loads the functions from the files of a package, as the instance will."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fcplug import protocol
from fcplug.build.failure import BuildError
from fcplug.inspection.process import Interpreter, Report, reports

LIMIT = 60.0  # seconds that the plugins of one function may take


def check(
    python: str,
    code: Path,
    names: Sequence[str],
    job: Mapping[str, str],
    environ: Mapping[str, str],
) -> None:
    """Load the plugins of functions from a package; none of their hooks is run.

    Args:
        python: an interpreter of the target's version.
        code: the unpacked package.
        names: the functions.
        job: the text of the configuration, and its name.
        environ: the environment of this process.

    Raises:
        BuildError: one cannot be loaded; it says why.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    variables = {**kept, protocol.CODE_PATH_VARIABLE: str(code)}
    interpreter = Interpreter(python, (str(code / "python"),), variables, str(code))
    failed: list[str] = []
    for report in reports("functions", names, job, limit=LIMIT, interpreter=interpreter):
        failed += _failures(report, code)
    if failed:
        what = "a function does not load from the package, though it does here"
        fix = (
            "name what it lacks: a package in requirements.txt, a file with --include; --no-load "
            "builds the package all the same"
        )
        raise BuildError(what, *failed, fix=fix)


def _failures(report: Report, code: Path) -> list[str]:
    if report.failure:
        return [f"{report.item}: {report.failure}: {report.output[-500:].strip()}"]
    found = []
    for error in report.answer.get("errors", ()):
        lines = [f"{report.item}: {error['what']}", *error["causes"][:1]]
        found += ["\n  ".join(line.replace(f"{code}/", "") for line in lines)]
    return found
