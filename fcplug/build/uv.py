"""uv as the installer of a package."""

import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from fcplug.build import index_settings, lock, subprocesses, unresolved
from fcplug.build.installer import Question
from fcplug.build.lock import Pin
from fcplug.build.target import Target

_ALWAYS = ("--no-python-downloads", "--color", "never")


class Uv:
    """uv, with the indexes that pip's configuration names."""

    name = "uv"

    def __init__(self, program: str, environ: Mapping[str, str], work: Path) -> None:
        self._program = program
        settings = index_settings.for_uv(environ, work)
        # a virtual environment that is active has nothing to do with the package
        self._environ = {**environ, **settings, "UV_NO_PROGRESS": "1"}
        self._work = work

    def build(self, source: str, folder: Path) -> None:
        """Build the wheel of a folder or archive into a folder."""
        arguments = ["build", "--quiet", "--wheel", "--out-dir", str(folder), source]
        done = self._run(*arguments)
        if done.code:
            raise unresolved.not_built(source, done.stderr)

    def resolve(self, question: Question, target: Target, work: Path) -> tuple[Pin, ...]:
        """Return the distributions that meet all requirements."""
        asked, answer = work / "asked.txt", work / "answer.txt"
        asked.write_text("".join(f"{line}\n" for line in question.requirements))
        # versions that are in its output are kept where they fit
        kept = (f"{name}=={version}\n" for name, version in question.preferred.items())
        answer.write_text("".join(kept))
        options = ["--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        options += ["--upgrade"] if question.newest else []
        arguments = ["pip", "compile", str(asked), "-o", str(answer), *options]
        done = self._run(*arguments, *_target_options(target))
        if done.code:
            raise unresolved.not_resolved(done.stderr, target, question.why)
        return lock.pins(answer.read_text("utf-8"))

    def install(self, lines: Sequence[str], target: Target, folder: Path, work: Path) -> None:
        """Install exactly the distributions of lines with hashes into a folder."""
        listed = work / "install.txt"
        listed.write_text("".join(f"{line}\n" for line in lines))
        options = ["--no-deps", "--require-hashes", "--quiet"]
        arguments = ["pip", "install", "-r", str(listed), "--target", str(folder), *options]
        environ = {**self._environ, "UV_CONSTRAINT": ""}  # the versions are chosen already
        done = self._run(*arguments, *_target_options(target), environ=environ)
        if done.code:
            raise unresolved.not_installed(done.stderr, target)

    def _run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocesses.Done:
        command = [self._program, *arguments, *_ALWAYS]
        return subprocesses.run(command, environ or self._environ, self._work)


def find(environ: Mapping[str, str]) -> str:
    """Return the program: that of the package ``uv``, else that of the PATH; else empty."""
    if find_spec("uv"):
        import uv  # noqa: PLC0415 - an extra

        try:
            return str(uv.find_uv_bin())
        except FileNotFoundError:
            pass
    return shutil.which("uv", path=environ.get("PATH")) or ""


def _target_options(target: Target) -> list[str]:
    platform = f"{target.architecture}-manylinux_2_{target.glibc}"
    return [
        "--python-version", target.python, "--python-platform", platform,
        "--only-binary", ":all:",
    ]  # fmt: skip
