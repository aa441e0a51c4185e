"""What those who deploy a package should know about it."""

from collections.abc import Iterator, Sequence

from fcplug import assets
from fcplug.build import archive
from fcplug.build.installed import Environment
from fcplug.build.order import Order
from fcplug.build.resolution import Resolved
from fcplug.config.model import FunctionSpec


def of_build(
    order: Order,
    specs: Sequence[FunctionSpec],
    environment: Environment,
    resolved: Resolved,
    python: str,
) -> Iterator[str]:
    """Yield what is worth knowing of a package that was built."""
    yield from _of_python(order, python)
    yield from _of_versions(environment, resolved)
    for spec in specs:
        if spec.python:
            yield f"{spec.name} runs in its own Python, {spec.python}: the package has none"
    own = order.folder / "bootstrap"
    if own.is_file() and own.read_bytes() != assets.BOOTSTRAP.read():
        yield (
            "bootstrap is not that of this fcplug; unless you changed it: "
            "fcplug bootstrap -o bootstrap --force"
        )
    size = order.outputs.package.stat().st_size
    if size > archive.SOME_REGIONS * archive.MB:
        yield (
            f"some regions, and uploads that go through no OSS bucket, take {archive.SOME_REGIONS} "
            "MB only"
        )


def _of_python(order: Order, python: str) -> Iterator[str]:
    target = order.target
    if not target.is_usual:
        yield (
            f"bootstrap takes another Python of {target.image} by itself: set FCPLUG_PYTHON to "
            f"the path of Python {target.minor}, such as "
            f"/var/fc/lang/python{target.minor}/bin/python3"
        )
    if order.compiled and not python:
        yield (
            f"the code is not compiled, so each cold start takes twice as long: Python "
            f"{target.minor} is not on this machine, and no other version compiles for it"
        )
    elif order.loaded and not (python and target.runs_here):
        yield "the functions were not loaded from the package: this machine cannot run its code"


def _of_versions(environment: Environment, resolved: Resolved) -> Iterator[str]:
    for each in resolved.installed:
        here = environment.version(each.name)
        if here and here != each.version:
            yield f"{each.name} {each.version} is in the package, and {here} is installed here"
