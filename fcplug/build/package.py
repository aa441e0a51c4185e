"""Builds a code package: from a configuration to the archive and what lies beside it."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex

from fcplug import assets
from fcplug.build import (
    archive,
    code_files,
    interpreter,
    loading,
    notes,
    outputs,
    packing,
    resolution,
    roots,
    sbom,
    tree,
)
from fcplug.build.failure import BuildError
from fcplug.build.installed import Environment
from fcplug.build.order import Built, Order, Part, Progress
from fcplug.build.resolution import Resolved
from fcplug.config import stored, yaml_strict
from fcplug.config.search import FILE
from fcplug.plugins import code_path

_BOOTSTRAP = "bootstrap"
_PYTHON = "python"
_CODE = "your code"


def build(order: Order, environ: Mapping[str, str], progress: Progress) -> Built:
    """Build a package; on any failure, what was there before stays as it was.

    Raises:
        BuildError: it cannot be built.
        PluginError: a plugin is not installed.
    """
    with (
        outputs.beside(order.outputs) as beside,
        outputs.temporary(Path(tempfile.gettempdir(), f"fcplug-build-{token_hex(4)}")) as work,
    ):
        temporary = work / "tmp"  # of all programs that the build starts, even if they are killed
        temporary.mkdir()
        variables = {**environ, "TMPDIR": str(temporary)}
        return _Build(order, variables, work, beside, progress).run()


class _Build:
    """One build, in a folder of its own."""

    def __init__(
        self,
        order: Order,
        environ: Mapping[str, str],
        work: Path,
        beside: Path,
        progress: Progress,
    ) -> None:
        self._order = order
        self._environ = environ
        self._work = work
        self._code = work / "code"
        self._beside = beside
        self._progress = progress

    def run(self) -> Built:
        """Build, and put the files in their places."""
        order = self._order
        self._progress(0.0, "looking for what the functions need")
        specs = roots.chosen(order.config, order.functions)
        names = [spec.name for spec in specs]
        environment = Environment()
        needed = roots.needs(specs, order.folder, environment, order.target)
        copied = self._add_code(needed.code)
        resolved = resolution.install(
            order, needed.roots, self._work, self._environ, self._progress
        )
        tree.prune(self._code / _PYTHON, resolved.installed)
        python = interpreter.find(order.target, self._environ, self._work)
        loaded = self._load(python, names)
        tree.drop_tools(self._code / _PYTHON)
        if compiled := order.compiled and bool(python):
            self._progress(0.8, "compiling")
            interpreter.compile_sources(python, self._code, self._work)
            packing.pack(self._code / _PYTHON, (roots.RUNTIME, *code_path.DEPENDENCIES))
        packed = archive.write(self._code, self._beside / "package", self._packing)
        archive.check_size(self._beside / "package", order.limit)
        digest = self._publish(resolved)
        said = notes.of_build(order, specs, environment, resolved, python)
        return Built(
            outputs=order.outputs,
            digest=digest,
            size=order.outputs.package.stat().st_size,
            functions=tuple(names),
            parts=tuple(self._parts(resolved, packed)),
            left_out=tuple(code_files.left_out(order.folder, copied)),
            installer=resolved.installer,
            python=python if compiled else "",
            loaded=loaded,
            notes=tuple(said),
        )

    def _add_code(self, needed: Sequence[Path]) -> set[str]:
        """Add what is not installed: bootstrap, the configuration, the code of the code folder."""
        order = self._order
        own = order.folder / _BOOTSTRAP
        there = os.path.lexists(own)
        if there:
            code_files.check_inside(own, order.folder)
        script = own.read_bytes() if there else assets.BOOTSTRAP.read()
        if not script.startswith(b"#!") or b"\r" in script:
            what = f"{own} does not start on Linux: it needs a first line with #! and LF line ends"
            raise BuildError(what, fix="fcplug bootstrap -o bootstrap --force")
        self._code.mkdir()
        (self._code / _BOOTSTRAP).write_bytes(script)
        (self._code / _BOOTSTRAP).chmod(0o755)
        configuration = self._code / FILE
        configuration.parent.mkdir(parents=True)
        configuration.write_text(order.text, "utf-8", newline="")
        configuration.with_name(configuration.name + stored.SUFFIX).write_bytes(_stored(order.text))
        final = order.outputs
        built = (final.package, final.lock, final.sbom)
        return code_files.copy(order.folder, needed, order.includes, self._code, built)

    def _load(self, python: str, names: Sequence[str]) -> bool:
        """Load the functions from the package, where this machine can; return whether it did."""
        order = self._order
        if not order.loaded or not python or not order.target.runs_here:
            return False
        self._progress(0.7, "loading the functions from the package")
        job = {"text": order.text, "file": order.config.file}
        loading.check(python, self._code, names, job, self._environ)
        return True

    def _packing(self, done: int, count: int) -> None:
        self._progress(0.85 + 0.15 * done / max(count, 1), "packing")

    def _publish(self, resolved: Resolved) -> str:
        """Put the files in their places and return the digest of the package."""
        final, package = self._order.outputs, self._beside / "package"
        digest = hashlib.sha256()
        with package.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        text = sbom.document(
            final.package.name,
            digest.hexdigest(),
            resolved.installed,
            resolved.lock,
            self._order.target,
        )
        (self._beside / "sbom").write_text(text, "utf-8")
        (self._beside / "lock").write_text(resolved.lock.text(), "utf-8")
        places = {self._beside / "sbom": final.sbom, package: final.package}
        if not self._order.locked:
            places = {self._beside / "lock": final.lock, **places}
        outputs.publish(places)
        return digest.hexdigest()

    def _parts(self, resolved: Resolved, packed: Mapping[str, int]) -> Iterator[Part]:
        owners = {}
        for each in resolved.installed:
            for file in each.files:
                owners[f"{_PYTHON}/{file}"] = each
        sizes: dict[str, list[int]] = {}
        for name, compressed in packed.items():
            owner = owners.get(archive.source_of(name))
            total = sizes.setdefault(owner.key if owner else "", [0, 0, 0])
            total[0] += 1
            total[1] += (self._code / name).stat().st_size
            total[2] += compressed
        local = {each.name: each.source for each in resolved.lock.local}
        parts = [Part(_CODE, "", str(self._order.folder.name), *sizes.pop("", [0, 0, 0]))]
        for each in resolved.installed:
            source = local.get(each.key, "index")
            parts.append(Part(each.name, each.version, source, *sizes.get(each.key, [0, 0, 0])))
        yield from sorted(parts, key=lambda part: (-part.packed, part.name))


def _stored(text: str) -> bytes:
    """Return a configuration as values, so that a start needs no YAML; variables stay in them."""
    values, locations, _ = yaml_strict.read(text, lambda value: (value, []))
    return stored.encoded(text, values, locations)
