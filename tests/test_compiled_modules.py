"""The compiled modules of a package in one file: what is imported from it, and when it is not."""

import py_compile
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest

import fcplug
from fcplug.build.packing import pack

PACKAGES = {
    "fcplug": ("__init__.py", "compiled_modules.py", "own.py"),
    "acme": ("__init__.py", "shop.py", "deep/__init__.py", "deep/price.py"),
}
TEXT = """\
WHO = "compiled"

def fail():
    raise ValueError("no price")
"""
SOURCE = TEXT.replace("compiled", "source")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with packed packages, whose sources have changed since."""
    folder = tmp_path / "python"
    for package, files in PACKAGES.items():
        for name in files:
            path = folder / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TEXT)
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "RECORD").write_text("".join(f"{package}/{name},,\n" for name in files))
    shutil.copy(Path(fcplug.__file__).with_name("compiled_modules.py"), folder / "fcplug")
    for path in folder.rglob("*.py"):
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(path), dfile=f"/code/{path.name}", invalidation_mode=mode)
        if path.name != "compiled_modules.py":
            path.write_text(SOURCE)
    pack(folder, [*PACKAGES, "missing"])
    return folder


def run(folder: Path, script: str, options: Sequence[str] = (), path: str = "") -> str:
    """Run a script with a folder on the path, where these files are used."""
    start = "from fcplug import compiled_modules\ncompiled_modules.install()\n"
    command = [sys.executable, "-I", "-W", "error", *options, "-c"]
    paths = f"import sys\nsys.path[:0] = {[*filter(None, [path, str(folder)])]!r}\n"
    done = subprocess.run(
        [*command, paths + start + dedent(script)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_package_has_one_file_instead_of_one_for_each_module(folder: Path) -> None:
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("__pycache__/*")}
    tag = sys.implementation.cache_tag
    assert made == {
        f"acme/__pycache__/__init__.{tag}.modules",
        f"acme/__pycache__/__init__.{tag}.pyc",
        f"fcplug/__pycache__/__init__.{tag}.modules",
        f"fcplug/__pycache__/__init__.{tag}.pyc",
        f"fcplug/__pycache__/compiled_modules.{tag}.pyc",
    }


def test_modules_come_from_the_file_and_look_as_always(folder: Path) -> None:
    out = run(
        folder,
        """
        import inspect, os, traceback
        import acme.shop, acme.deep.price, fcplug.own
        from importlib import resources, util

        print(acme.shop.WHO, acme.deep.WHO, acme.deep.price.WHO, fcplug.own.WHO)
        price = acme.deep.price
        folder = os.path.dirname(os.path.dirname(acme.__file__))
        print(os.path.relpath(price.__file__, folder), price.__package__)
        assert price.__cached__ == util.cache_from_source(price.__file__) == price.__spec__.cached
        print(acme.deep.__path__ == [os.path.dirname(price.__file__)], acme.deep.__package__)
        print(inspect.getsource(price).splitlines()[0])
        try:
            price.fail()
        except ValueError as error:
            print(traceback.extract_tb(error.__traceback__)[-1].filename == price.__file__)
        print((resources.files("acme.deep") / "price.py").is_file())
        assert not os.path.exists(price.__cached__)
        """,
    )
    assert out.splitlines() == [
        "compiled compiled compiled compiled",
        "acme/deep/price.py acme.deep",
        "True acme.deep",
        'WHO = "source"',
        "True",
        "True",
    ]


SHOW = "import acme.shop, acme.deep.price\nprint(acme.shop.WHO, acme.deep.price.WHO)"


def test_a_package_that_comes_first_on_the_path_keeps_its_own_modules(
    folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "acme").mkdir(parents=True)
    (other / "acme/__init__.py").write_text("")
    (other / "acme/shop.py").write_text("WHO = 'other'\n")
    script = """
    import acme.shop
    print(acme.shop.WHO)
    try:
        import acme.deep
    except ModuleNotFoundError as error:
        print(error)
    """
    assert run(folder, script, path=str(other)) == "other\nNo module named 'acme.deep'\n"


def test_a_distribution_that_was_replaced_is_imported_from_its_files(folder: Path) -> None:
    (folder / "acme-1.0.dist-info").rename(folder / "acme-1.1.dist-info")
    assert run(folder, SHOW) == "source source\n"


def test_the_source_counts_where_compiled_code_does_not_fit(folder: Path) -> None:
    assert run(folder, SHOW) == "compiled compiled\n"
    always = ("--check-hash-based-pycs", "always")
    assert run(folder, SHOW, options=("-B", *always)) == "source source\n"
    assert run(folder, SHOW, options=("-B", "-O")) == "source source\n"
    file = folder / f"acme/__pycache__/__init__.{sys.implementation.cache_tag}.modules"
    content = file.read_bytes()
    start = content.index(b"\n") + 1
    file.write_bytes(content[:start] + b"\0\0\0\0" + content[start + 4 :])
    assert run(folder, "import acme.shop\nprint(acme.shop.WHO)", options=("-B",)) == "source\n"


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"distribution": 1}\n', b"\xff\n"])
def test_a_file_that_cannot_be_read_is_ignored(folder: Path, content: bytes) -> None:
    tag = sys.implementation.cache_tag
    (folder / f"acme/__pycache__/__init__.{tag}.modules").write_bytes(content)
    assert run(folder, SHOW) == "source source\n"


def test_without_a_file_of_fcplug_nothing_is_installed(folder: Path) -> None:
    (folder / f"fcplug/__pycache__/__init__.{sys.implementation.cache_tag}.modules").unlink()
    assert run(folder, SHOW) == "source source\n"
