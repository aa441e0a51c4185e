"""The software bill of materials of a package: CycloneDX 1.6, in JSON."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import fcplug
from fcplug.build import tree
from fcplug.build.lock import Lock, canonical
from fcplug.build.target import Target
from fcplug.build.tree import Installed

_NAMESPACE = uuid.UUID("c6d1b6c8-0a54-5b3e-9d8e-2f0c1c3f9a11")
_APPLICATION = "package"
_PAGES = {
    "homepage": "website",
    "repository": "vcs",
    "source": "vcs",
    "documentation": "documentation",
}
_LONGEST_LICENSE = 80  # characters; some distributions give the whole text
_UNKNOWN = frozenset(["", "unknown", "none"])


def document(name: str, digest: str, found: Sequence[Installed], lock: Lock, target: Target) -> str:
    """Return the text of the file; the same for the same package.

    Args:
        name: the file name of the package.
        digest: its SHA-256.
        found: its distributions.
        lock: where they come from.
        target: what they are for.
    """
    local = {each.name: each.digest.removeprefix("sha256:") for each in lock.local}
    whole = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "bom-ref": _APPLICATION,
                "type": "application",
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "properties": [{"name": "fcplug:target", "value": str(target)}],
            },
            "tools": {
                "components": [
                    {"type": "application", "name": "fcplug", "version": fcplug.__version__}
                ]
            },
        },
        "components": [_component(each, local) for each in found],
        "dependencies": _dependencies(found, target),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _component(each: Installed, local: Mapping[str, str]) -> dict[str, Any]:
    component: dict[str, Any] = {
        "bom-ref": _reference(each),
        "type": "library",
        "name": each.name,
        "version": each.version,
        "purl": _reference(each),
    }
    if summary := "".join(_field(each, "Summary")[:1]):
        component["description"] = summary
    if licenses := _licenses(each):
        component["licenses"] = licenses
    if digest := local.get(each.key):
        component["hashes"] = [{"alg": "SHA-256", "content": digest}]
    if references := list(_references(each)):
        component["externalReferences"] = references
    return component


def _reference(each: Installed) -> str:
    return f"pkg:pypi/{canonical(each.name)}@{quote(each.version, safe='')}"


def _licenses(each: Installed) -> list[dict[str, Any]]:
    if expressions := _field(each, "License-Expression"):
        return [{"expression": expressions[0]}]
    text = "".join(_field(each, "License")[:1]).strip()
    if text.lower() not in _UNKNOWN and len(text) <= _LONGEST_LICENSE and "\n" not in text:
        return [{"license": {"name": text}}]
    kinds = [line for line in _field(each, "Classifier") if line.startswith("License ::")]
    return [{"license": {"name": line.rpartition(" :: ")[2]}} for line in kinds]


def _field(each: Installed, name: str) -> list[str]:
    return list(each.metadata.metadata.get_all(name) or ())


def _references(each: Installed) -> Iterable[dict[str, str]]:
    seen = set()
    for line in _field(each, "Project-URL"):
        label, _, url = (part.strip() for part in line.partition(","))
        kind = _PAGES.get(label.lower())
        if kind and kind not in seen and url.startswith(("http://", "https://")) and " " not in url:
            seen.add(kind)
            yield {"type": kind, "url": url}


def _dependencies(found: Sequence[Installed], target: Target) -> list[dict[str, Any]]:
    references = {each.key: _reference(each) for each in found}
    whole = {"ref": _APPLICATION, "dependsOn": sorted(references.values())}
    return [whole, *(_depends(each, references, target) for each in found)]


def _depends(each: Installed, references: Mapping[str, str], target: Target) -> dict[str, Any]:
    names = {canonical(other.name) for other in tree.requirements(each, target)}
    needed = sorted({references[name] for name in names if name in references})
    return {"ref": _reference(each), **({"dependsOn": needed} if needed else {})}
