"""pip as the installer of a package, where there is no uv."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fcplug.build import subprocesses, unresolved
from fcplug.build.installer import Question
from fcplug.build.lock import Pin, canonical
from fcplug.build.target import Target


class Pip:
    """pip of this environment."""

    name = "pip"

    def __init__(self, environ: Mapping[str, str], work: Path) -> None:
        self._environ = {**environ, "PIP_NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self._work = work

    def build(self, source: str, folder: Path) -> None:
        """Build the wheel of a folder, archive or repository into a folder."""
        done = self._run("wheel", "--no-deps", "--wheel-dir", str(folder), source)
        if done.code:
            raise unresolved.not_built(source, done.stderr)

    def resolve(self, question: Question, target: Target, work: Path) -> tuple[Pin, ...]:
        """Return the distributions that meet all requirements."""
        asked, kept, report = work / "asked.txt", work / "kept.txt", work / "report.json"
        asked.write_text("".join(f"{line}\n" for line in question.requirements))
        versions = {} if question.newest else question.preferred
        kept.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        arguments = ["install", "--dry-run", "--ignore-installed", "--report", str(report)]
        arguments += ["-r", str(asked), "--target", str(work / "nowhere"), *_options(target)]
        done = self._run(*arguments, "--constraint", str(kept))
        if done.code:  # a preferred version may be the reason
            done = self._run(*arguments)
        if done.code:
            raise unresolved.not_resolved(_said(done, question), target, question.why)
        return tuple(sorted(_pins(json.loads(report.read_text("utf-8")))))

    def install(self, lines: Sequence[str], target: Target, folder: Path, work: Path) -> None:
        """Install exactly the distributions of lines with hashes into a folder."""
        listed = work / "install.txt"
        listed.write_text("".join(f"{line}\n" for line in lines))
        arguments = ["install", "--no-deps", "--require-hashes", "--no-compile", "-r", str(listed)]
        done = self._run(*arguments, "--target", str(folder), *_options(target))
        if done.code:
            raise unresolved.not_installed(done.stderr, target)

    def _run(self, *arguments: str) -> subprocesses.Done:
        return subprocesses.run(
            [sys.executable, "-m", "pip", *arguments, "--no-input"],
            self._environ,
            self._work,
        )


def _said(done: subprocesses.Done, question: Question) -> str:
    """Return what pip says of a failure, with the requirements in place of its own lines."""
    _, caused, why = done.stdout.partition("The conflict is caused by:")
    text = done.stderr + (f"\n{caused}{why.partition('To fix this')[0]}" if caused else "")

    def asked(match: "re.Match[str]") -> str:
        return question.requirements[int(match[1]) - 1]

    return re.sub(r"-r \S+/asked\.txt \(line (\d+)\)", asked, text)


def _options(target: Target) -> Iterator[str]:
    yield from ("--only-binary", ":all:", "--implementation", "cp")
    yield from ("--python-version", target.python, "--abi", f"cp{target.minor.replace('.', '')}")
    yield from ("--abi", "abi3", "--abi", "none")
    for tag in target.wheel_platforms():
        yield from ("--platform", tag)


def _pins(report: Mapping[str, Any]) -> Iterator[Pin]:
    for item in report["install"]:
        hashes = item["download_info"].get("archive_info", {}).get("hashes", {})
        known = tuple(sorted(f"{name}:{digest}" for name, digest in hashes.items()))
        metadata = item["metadata"]
        url = item["download_info"]["url"] if item["is_direct"] else ""
        yield Pin(canonical(metadata["name"]), "" if url else metadata["version"], url, known)
