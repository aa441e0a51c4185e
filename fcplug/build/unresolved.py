"""Why uv or pip could not do it, in words for those who deploy."""

import re
from collections.abc import Iterator, Mapping

from fcplug.build.failure import BuildError
from fcplug.build.lock import canonical
from fcplug.build.target import Target

_NETWORK = re.compile(
    r"error sending request|dns error|Connection refused|Failed to establish|tim(?:ed )?-?out"
    r"|Name or service not known|Network is unreachable|Failed to fetch|connect error",
    re.IGNORECASE,
)
_NO_WHEEL = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(?:[=<>!~,]=?\S*)? (?:has no (?:usable )?wheels|has no wheels)"
    r"|building from source is disabled for `(?P<uv>[\w.-]+)`"
    r"|Wheels are required for `(?P<hint>[\w.-]+)`"
)
_NOT_FOUND = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*) was not found in"
    r"|No matching distribution found for (?P<pip>[A-Za-z0-9][\w.-]*)"
)
_DEPENDS = (
    r"(?P<uv>[A-Za-z0-9][\w.-]*)(?:[=<>!~]=?\S*)? depends? on {0}\b"
    r"|requirement {0}\b[^()]* \(from (?P<pip>[A-Za-z0-9][\w.-]*)"
)
_NOISE = re.compile(r"^(?:warning|hint|\[notice\]|WARNING)\b", re.IGNORECASE)
_PRIVATE = re.compile(r"(?: @ )?file://\S*/(?=[^/\s]+\.whl)")
_MOST_LINES = 30


def not_resolved(stderr: str, target: Target, why: Mapping[str, str]) -> BuildError:
    """Return the error for requirements that nothing meets.

    Args:
        stderr: what the installer printed.
        target: what was resolved for.
        why: what needs each requirement, by the canonical name of its distribution.
    """
    said = _explanation(stderr)
    if _NETWORK.search(stderr):
        return _unreachable(said)
    if match := _NO_WHEEL.search(said):
        name = next(filter(None, match.groups()))
        fix = (
            "choose a version that has one, another image or Python, or build the wheel on such a "
            "system and name its file in requirements.txt"
        )
        what = f"{name} has no wheel for {target}"
        return BuildError(what, *_required_by(name, said, why), said, fix=fix)
    if match := _NOT_FOUND.search(said):
        name = next(filter(None, match.groups()))
        fix = (
            "correct the name, or choose a version that has a wheel for it; a package of your own: "
            "install it from its folder or wheel, or name that in requirements.txt"
        )
        what = f"there is no {name} for {target} in any index"
        return BuildError(what, *_required_by(name, said, why), said, fix=fix)
    what = f"the requirements exclude each other, for {target}"
    needed = [f"{name} is needed by {reason}" for name, reason in why.items() if name in said]
    return BuildError(what, said, *needed, fix="change a version in one of the places named here")


def not_installed(stderr: str, target: Target) -> BuildError:
    """Return the error for distributions that cannot be installed."""
    said = _explanation(stderr)
    if _NETWORK.search(stderr):
        return _unreachable(said)
    if re.search(r"hash mismatch|DO NOT MATCH", said, re.IGNORECASE):
        fix = "find out who changed it; fcplug build --upgrade takes the new file"
        return BuildError("a file is not the one that the lock file names", said, fix=fix)
    return BuildError(f"the packages cannot be installed for {target}", said)


def not_built(source: str, stderr: str) -> BuildError:
    """Return the error for a source that no wheel can be built from."""
    if _NETWORK.search(stderr):
        return _unreachable(_explanation(stderr))
    return BuildError(f"no wheel can be built from {source}", _explanation(stderr))


def _unreachable(said: str) -> BuildError:
    fix = (
        "check the network, and the index that pip and uv are configured with; UV_OFFLINE=1 takes "
        "what uv has downloaded before"
    )
    return BuildError("a package index cannot be reached", said, fix=fix)


def _required_by(name: str, said: str, why: Mapping[str, str]) -> Iterator[str]:
    if reason := why.get(canonical(name)):
        yield f"needed by: {reason}"
    for match in re.finditer(_DEPENDS.format(re.escape(name)), said, re.IGNORECASE):
        who = match["uv"] or match["pip"]
        reason = why.get(canonical(who), "")
        yield f"needed by: {who}{reason and f', {reason}'}"


def _explanation(stderr: str) -> str:
    """Return what an installer says of a failure, without its warnings and our own paths."""
    blocks = re.split(r"\n(?=\S)", stderr.strip())
    told = [each for each in blocks if not _NOISE.match(each)] or blocks
    hints = [each for each in blocks if each.startswith("hint")]
    text = "\n".join([*told, *(each for each in hints if each not in told)])
    lines = [line.rstrip() for line in _PRIVATE.sub("", text).splitlines() if line.strip()]
    return "\n".join(lines[:_MOST_LINES])
