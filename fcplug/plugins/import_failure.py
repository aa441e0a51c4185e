"""Explain a failed import: what went wrong, where, and how to fix it."""

import os
import re
import shlex
import sys
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path

from fcplug import protocol
from fcplug.errors import PluginError, did_you_mean, listing
from fcplug.plugins import code_path
from fcplug.plugins.entry_points import EntryPoint
from fcplug.plugins.import_record import package_of
from fcplug.result import causes_of, is_own_file, message_of, summary


def import_failure(error: BaseException, name: str, entry: EntryPoint | None) -> PluginError:
    """Return the PluginError for a failed import."""
    kind, what, fix = _describe(error, name, entry)
    return PluginError(kind, what, fix=fix, causes=causes_of(error)).located(line_of(error))


def not_installed(group: str, role: str, name: str, known: Collection[str]) -> PluginError:
    """Return the error for a name that no installed package offers."""
    fix = (
        f"{pip_install('PACKAGE')}, with the package that offers it; "
        "for code that is not in a package, write module:attribute"
    )
    if folder := _folder_that_offers(group, name):
        fix = pip_install(folder)
    elif file := code_path.source_in(sys.path[0] or os.getcwd(), name):
        fix = (
            f"write {name}:NAME, with the NAME of a function or class in {file}; "
            f"a name alone is that of an installed {role}"
        )
    return PluginError(
        "PluginNotFound",
        f"no installed package offers the {role} '{name}'{did_you_mean(name, known)}; "
        f"installed: {listing(known)}",
        fix=fix,
    )


def pip_install(*what: str) -> str:
    """Return the command that installs something for this Python.

    On FC nothing can be installed into an instance, so the command is for the next deployment.
    """
    if not os.environ.get(protocol.INSTANCE_VARIABLE):
        return shlex.join([sys.executable, "-m", "pip", "install", *what])
    options = ["--target", "python"]
    if what[0] == "--force-reinstall":
        options, what = ["--upgrade", *options], what[1:]
    command = shlex.join(["python3", "-m", "pip", "install", *options, *what])
    return f"in the folder of the code: {command}; then deploy the new package"


def _folder_that_offers(group: str, name: str) -> str | None:
    """Return a folder in ``plugins/`` that offers this entry point but is not installed."""
    section = re.compile(
        rf'^\[project\.entry-points\."{re.escape(group)}"\]$'
        rf'(?:\n(?!\[).*)*?\n"?{re.escape(name)}"?\s*=',
        re.MULTILINE,
    )
    for project in sorted(Path("plugins").glob("*/pyproject.toml")):
        if section.search(project.read_text("utf-8", "replace")):
            return f"./{project.parent.as_posix()}"
    return None


def _describe(error: BaseException, name: str, entry: EntryPoint | None) -> tuple[str, str, str]:
    """Return FC's error type for a failed import, what went wrong, and the fix."""
    if isinstance(error, ImportError):
        what = f"Unable to import module '{name}': {message_of(error)}"
        if isinstance(error, ModuleNotFoundError):
            return "ImportModuleError", what, _fix_of_missing(error, name, entry)
        return "ImportModuleError", what, _fix_of_clash(error)
    if isinstance(error, SyntaxError):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        what = f"Syntax error in module '{name}': {error.msg}"
        return "UserCodeSyntaxError", what, f"correct the line (this is Python {version})"
    fix = "correct what the module does when it is imported"
    if isinstance(error, SystemExit):
        fix = "a module must not exit while it is imported: guard it with __name__ == '__main__'"
    elif isinstance(error, PermissionError) and str(error.filename).endswith(".py"):
        fix = f"chmod a+r {shlex.quote(error.filename)}, or run as its owner"
    what = f"Module initialization error: '{summary(error)}' in module '{name}'"
    return "UserCodeError", what, fix


def _fix_of_missing(error: ModuleNotFoundError, module: str, entry: EntryPoint | None) -> str:
    """Return how to provide a module that an import did not find."""
    missing = error.name or module
    if package_of(missing) == package_of(module):
        if entry and missing == package_of(missing) and _left_out(entry.package, missing):
            return (
                f"{entry.package} {entry.version} was built without {missing}: name it in its "
                f'pyproject.toml ([tool.setuptools] py-modules = ["{missing}"], or packages for a '
                "folder), then build and install it again"
            )
        if entry:
            return pip_install("--force-reinstall", f"{entry.package}=={entry.version}")
        files = {path.stem for folder in sys.path[:3] for path in Path(folder or ".").glob("*.py")}
        lost = module if f"{module}.".startswith(f"{missing}.") else missing
        folder = sys.path[0] or os.getcwd()
        file = f"{lost.replace('.', '/')}.py"
        return f"put {file} where Python looks for it ({folder}){did_you_mean(lost, files)}"
    if fix := _relative_import(error, package_of(missing)):
        return fix
    required = _requirements(entry.package) if entry else ()
    absent = [each for each in required if ";" not in each and not _is_installed(each)]
    if absent:
        return pip_install(*absent)
    declared = f", and declare it in the dependencies of {entry.package}" if entry else ""
    guess = pip_install(package_of(missing))
    return f"{guess} (if the package has the name of its module){declared}"


def _fix_of_clash(error: ImportError) -> str:
    """Return how to fix an import that found a module, but not what it should contain."""
    if error.path and error.name and "cannot import name" in message_of(error):
        return (
            f"Python found {error.path}, which is another version of the module, or another "
            "file of that name: install the right version, or rename the file"
        )
    return "install the missing part, built for this Python and this system"


def _left_out(package: str, module: str) -> bool:
    """Return whether an installed package was certainly built without a module."""
    from importlib import metadata  # noqa: PLC0415

    try:
        files = metadata.files(package)
    except metadata.PackageNotFoundError:
        return False
    if not files or any(file.suffix == ".pth" for file in files):  # unknown, or an editable install
        return False
    return not any(file.parts[0].partition(".")[0] == module for file in files)


def _requirements(package: str) -> Sequence[str]:
    from importlib import metadata  # noqa: PLC0415

    try:
        return metadata.requires(package) or ()
    except metadata.PackageNotFoundError:
        return ()


def _is_installed(requirement: str) -> bool:
    from importlib import metadata  # noqa: PLC0415

    name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    try:
        return bool(name and metadata.distribution(name[0]))
    except metadata.PackageNotFoundError:
        return False


def line_of(error: BaseException) -> str:
    """Return where the user's code failed, as ``, file:line``.

    An empty string if none of the user's code is involved.
    """
    if isinstance(error, SyntaxError) and error.filename and os.path.exists(error.filename):
        return f", {error.filename}:{error.lineno or 1}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not is_own_file(frame.filename)]
    # what they call in the standard library fails by how they call it
    last = [frame for frame in theirs if not _is_standard(frame.filename)][-1:] or theirs[-1:]
    return f", {last[0].filename}:{last[0].lineno}" if last else ""


def _is_standard(filename: str) -> bool:
    library = os.path.dirname(os.__file__) + os.sep
    installed = filename.startswith(f"{library}site-packages{os.sep}")
    return filename.startswith("<frozen ") or (filename.startswith(library) and not installed)


def _relative_import(error: BaseException, missing: str) -> str:
    """Return the fix for a module in the same folder as the file that imports it, or ``""``."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.filename for frame in frames if not is_own_file(frame.filename)]
    folder = os.path.dirname(os.path.abspath(own[-1])) if own else ""
    if not own or not (source := code_path.source_in(folder, missing)):
        return ""
    package = os.path.relpath(folder, sys.path[0] or os.getcwd()).replace(os.sep, ".")
    fix = f"{source} is in the same folder, but Python does not search that folder: write "
    return f"{fix}from . import {missing}, or from {package} import {missing}"
