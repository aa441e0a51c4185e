"""``fcplug build``: a code package for Function Compute."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from fcplug.build import archive, package, roots, target
from fcplug.build.order import Built, Order, Part
from fcplug.build.order import Progress as Report
from fcplug.build.outputs import Outputs
from fcplug.build.target import Target
from fcplug.config import loader
from fcplug.inspection import checker, deployment
from fcplug.inspection.checker import Result
from fcplug.inspection.finding import Finding
from fcplug.plugins import code_path
from fcplug.tools import check, exit_code
from fcplug.tools.command import Command
from fcplug.tools.progress import counting
from fcplug.tools.table import Cell, print_rows
from fcplug.tools.terminal import Terminal, errors, output, print_json

_OUTPUT = "code.zip"


@click.command(
    "build",
    cls=Command,
    examples=(
        "fcplug build",
        "fcplug build --image custom.debian11 --include 'templates/**'",
        "fcplug build --function thumbnails --output thumbnails.zip",
        "fcplug build --locked --json",
    ),
)
@click.argument("file", required=False)
@click.option(
    "--image",
    type=click.Choice(list(target.IMAGES)),
    metavar="IMAGE",
    help="custom.debian10, 11 or 12; else the runtime of s.yaml, else 12.",
)
@click.option("--python", metavar="VERSION", help="Another Python of the image, such as 3.13.")
@click.option(
    "--architecture",
    type=click.Choice(target.ARCHITECTURES),
    default=target.ARCHITECTURES[0],
    metavar="NAME",
    help="x86_64, as Function Compute has, or aarch64.",
)
@click.option("-o", "--output", metavar="FILE", help="The package; else code.zip, code-NAME.zip.")
@click.option("--function", "functions", multiple=True, metavar="NAME", help="Pack what it needs.")
@click.option("--include", "includes", multiple=True, metavar="PATTERN", help="Add files.")
@click.option("--locked", is_flag=True, help="Take only what the lock file names.")
@click.option("--upgrade", is_flag=True, help="Take the newest versions.")
@click.option("--no-compile", is_flag=True, help="Add no compiled code.")
@click.option("--no-load", is_flag=True, help="Do not load the functions from the package.")
@click.option(
    "--installer",
    type=click.Choice(["uv", "pip"]),
    metavar="NAME",
    help="uv or pip; else uv where it is.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=archive.LIMIT),
    default=archive.LIMIT,
    show_default=True,
    metavar="MB",
    help="How large the package may be.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was built as JSON.")
def command(file: str | None, as_json: bool, **options: Any) -> int:
    """Build a code package: an archive that Function Compute runs as it is.

    It has bootstrap, the configuration, the code of this folder that functions.yaml names, and in
    python/ fcplug, the plugins that it names and all that they require, as wheels for the image.
    FILE is the configuration; without it, the one that fcplug serve would find.

    Beside it are a lock file with the hashes of all distributions, which the next build keeps, and
    a software bill of materials (CycloneDX). All files are written, or none.

    Exit codes: 0 built, 1 problems, 2 wrong usage, 130 interrupted.
    """
    if options["locked"] and options["upgrade"]:
        raise click.UsageError("--locked keeps the versions that --upgrade would change")
    outputs = _outputs(options)
    environ = dict(os.environ)
    with counting("checking") as progress:
        result = checker.check(file, environ, limit=60.0, progress=progress, command="fcplug build")
    if options["functions"] and not any(each.rule == "configuration" for each in result.findings):
        result = _of_functions(result, options["functions"], environ)
    if result.count("error"):
        check.print_report(result, errors())
        return exit_code.PROBLEM
    config = loader.parse(result.text, result.file, environ)
    order = Order(
        config=config,
        text=result.text,
        folder=Path(code_path.folder(environ)),
        target=_target(result.file, options),
        outputs=outputs,
        functions=options["functions"],
        includes=options["includes"],
        locked=options["locked"],
        upgrade=options["upgrade"],
        compiled=not options["no_compile"],
        loaded=not options["no_load"],
        limit=options["limit"],
        installer=options["installer"] or "",
    )
    with _bar() as report:
        built = package.build(order, environ, report)
    if as_json:
        print_json(_json_of(built, order))
    else:
        _print(output(), built, order)
    return exit_code.FINE


def _of_functions(result: Result, names: Sequence[str], environ: Mapping[str, str]) -> Result:
    """Return a result without what it found in functions that are not packed."""
    config = loader.parse(result.text, result.file, environ)
    packed = {spec.name for spec in roots.chosen(config, names)}

    def counts(finding: Finding) -> bool:
        of = [
            name for name in config.functions if f"{finding.at}.".startswith(f"functions.{name}.")
        ]
        return not of or max(of, key=len) in packed

    return result._replace(findings=tuple(filter(counts, result.findings)))


def _outputs(options: dict[str, Any]) -> Outputs:
    functions = options["functions"]
    usual = f"code-{'-'.join(functions)}.zip" if functions else _OUTPUT
    name = options["output"] or usual
    if not name.endswith(".zip"):  # no other file is overwritten
        raise click.UsageError(f"--output {name}: the name of a package ends with .zip")
    return Outputs(Path(name))


def _target(file: str, options: dict[str, Any]) -> Target:
    image = options["image"] or deployment.image(file, target.IMAGES) or target.DEFAULT_IMAGE
    version = options["python"] or target.IMAGES[image].python
    numbers = version.split(".")
    if not all(map(str.isdigit, numbers)) or len(numbers) not in (2, 3) or numbers[0] != "3":
        raise click.UsageError(f"--python {version}: write it as in 3.12")
    if int(numbers[1]) < 10:
        raise click.UsageError(f"--python {version}: fcplug needs 3.10 or newer")
    return Target(image, version, options["architecture"])


@contextmanager
def _bar() -> Iterator[Report]:
    """Show a progress bar on a terminal, which goes away at the end."""
    if not sys.stderr.isatty():
        yield lambda _done, _what: None
        return
    columns = (BarColumn(30), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors(), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda done, what: bar.update(task, completed=done, description=what)


def _print(out: Terminal, built: Built, order: Order) -> None:
    rows: list[Sequence[Cell]] = [
        (Text(part.name, "bold"), part.version, part.source, _size(part.size), _size(part.packed))
        for part in built.parts
    ]
    whole = sum(part.size for part in built.parts)
    rows.append((Text("total", "bold"), "", "", _size(whole), _size(built.size)))
    print_rows(out, ("distribution", "version", "from", "size", "packed"), rows)
    out.print()
    for note in built.notes:
        out.print(Text.assemble(("note", "note"), f": {note}"))
    if built.left_out:
        names = ", ".join(built.left_out)
        out.print(
            Text.assemble(("note", "note"), f": not in the package: {names}; --include adds it")
        )
    functions = f"{len(built.functions)} function{'' if len(built.functions) == 1 else 's'}"
    checked = ", loaded from it" if built.loaded else ""
    what = f"{built.outputs.package}: {functions}{checked}, for {order.target}"
    whole = not out.is_terminal  # a line that a program reads stays one
    out.print(Text.assemble(("built ", "good"), what), soft_wrap=whole)
    beside = f"{built.outputs.lock} (commit it), {built.outputs.sbom}"
    out.print(f"beside it: {beside}", soft_wrap=whole)


def _size(count: int) -> str:
    return f"{count / archive.MB:.1f} MB" if count >= archive.MB // 10 else f"{count / 1024:.1f} KB"


def _json_of(built: Built, order: Order) -> dict[str, Any]:
    return {
        "package": str(built.outputs.package),
        "sha256": built.digest,
        "bytes": built.size,
        "lock": str(built.outputs.lock),
        "sbom": str(built.outputs.sbom),
        "image": order.target.image,
        "python": order.target.minor,
        "architecture": order.target.architecture,
        "functions": list(built.functions),
        "distributions": [_json_of_part(part) for part in built.parts],
        "left_out": list(built.left_out),
        "installer": built.installer,
        "compiled_by": built.python or None,
        "loaded": built.loaded,
        "notes": list(built.notes),
    }


def _json_of_part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "version": part.version or None,
        "from": part.source,
        "files": part.files,
        "bytes": part.size,
        "packed_bytes": part.packed,
    }
