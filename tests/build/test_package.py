"""Built packages: they serve, hold what they should, are the same bytes everywhere."""

import hashlib
import importlib.util
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from PIL import Image

import fcplug
from fcplug.build import index_settings, sources, uv
from support.deployed import start
from support.nobody import NOBODY, python_of_nobody
from support.packages import (
    PYTHON,
    VERSION,
    Shared,
    build,
    full_project,
    project,
    target_options,
    unpack,
    variables,
)
from support.photos import photo

pytestmark = pytest.mark.slow
CONFIGURATION = {"config/functions.yaml", "config/functions.yaml.msgpack"}
OPTIONS = (*target_options(), "--include", "texts")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compiled(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*.pyc")}


def compiled_headers(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each module that is compiled, with the first 16 bytes of its compiled code."""
    for path in folder.rglob("*.pyc"):
        yield path.parent.parent / f"{path.name.partition('.')[0]}.py", path.read_bytes()[:16]
    for path in folder.rglob("*.modules"):
        line, _, content = path.read_bytes().partition(b"\n")
        for name, (first, _, is_package) in json.loads(line)["modules"].items():
            module = folder / "python" / name.replace(".", "/")
            source = module / "__init__.py" if is_package else module.with_suffix(".py")
            yield source, content[first : first + 16]


def test_a_package_serves_with_nothing_but_the_python_of_the_image(built: Shared) -> None:
    before = compiled(built.code)
    clean = {name: "" for name in os.environ if name.startswith(("FC_", "FCPLUG_"))}
    with start(built.code, environ={**clean, "FCPLUG_PYTHON": PYTHON}) as instance:
        assert "NOT LOADED" not in instance.log
        assert instance.invoke("greet", b"Ada").body == b"Hello, Ada"
        assert json.loads(instance.invoke("hello", b"Ada").body) == {"message": "Hello, Ada!"}
        answer = instance.invoke("thumbnails", photo())
        assert Image.open(io.BytesIO(answer.body)).format == "JPEG"
    assert compiled(built.code) == before, "nothing was compiled again"


def test_a_package_has_what_serves_and_nothing_else(built: Shared) -> None:
    with zipfile.ZipFile(built.folder / "code.zip") as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    own = {name for name in entries if not name.startswith(("python/", "__pycache__/"))}
    assert own == {"bootstrap", "greeter.py", "texts/greeting.txt"} | CONFIGURATION
    modes = {name: entry.external_attr >> 16 & 0o777 for name, entry in entries.items()}
    assert modes["bootstrap"] == 0o755
    assert set(modes.values()) == {0o644, 0o755}
    assert {entry.date_time for entry in entries.values()} == {(1980, 1, 1, 0, 0, 0)}
    parts = {name.split("/")[2] for name in entries if name.startswith("python/fcplug/")}
    assert {"runtime", "server", "instance.py"} < parts
    assert not parts & {"build", "inspection", "platform", "testing", "pytest_plugin.py"}
    names = {name.partition("/")[2].partition("/")[0] for name in entries}
    assert not names & {"click", "rich", "jinja2", "pytest", "bin"}
    assert not [name for name in entries if "/tests/" in name or "direct_url" in name]


def test_the_compiled_code_counts_whatever_the_times_of_the_files_are(built: Shared) -> None:
    modules = sorted(built.code.rglob("*.py"))
    assert len(modules) > 200
    headers = dict(compiled_headers(built.code))
    assert headers.keys() == set(modules)
    for module, header in headers.items():
        assert header[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(header[4:8], "little") == 0b01, "a hash that is not checked"
        assert header[8:] == importlib.util.source_hash(module.read_bytes())
    assert str(built.folder.parent).encode() not in b"".join(
        path.read_bytes()
        for path in built.code.rglob("*")
        if path.suffix in (".py", ".pyc", ".modules")
    )


def test_the_record_of_each_distribution_lists_what_is_there(built: Shared) -> None:
    packages = built.code / "python"
    for record in packages.glob("*.dist-info/RECORD"):
        listed = [line.rsplit(",", 2)[0] for line in record.read_text().splitlines()]
        assert listed
        assert [name for name in listed if not (packages / name).exists()] == []


def test_another_folder_with_other_times_gives_the_same_bytes(
    built: Shared, tmp_path: Path
) -> None:
    folder = full_project(tmp_path / "a much longer name of a folder")
    os.utime(folder / "greeter.py", (1_000_000_000, 1_000_000_000))
    (folder / "greeter.py").chmod(0o600)
    shutil.copy(built.folder / "code.lock.txt", folder)
    done = build(folder, *OPTIONS, "--locked", environ={"PYTHONHASHSEED": "7", "LANG": "C"})
    assert done.returncode == 0, done.stderr
    for name in ("code.zip", "code.cdx.json"):
        assert digest(folder / name) == digest(built.folder / name)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_gets_the_same_bytes(small: Shared) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="fcplug-open-") as name:
        home = Path(name)
        folder = full_project(home / "shop")
        shutil.copy(small.folder / "code-hello.lock.txt", folder)
        (home / "bin").mkdir()
        shutil.copy(uv.find(os.environ), home / "bin" / "uv")
        copy_environment(home)
        for path in [home, *home.rglob("*")]:
            os.chown(path, 65534, 65534)
        python = python_of_nobody(home / "site")
        kept = {name: each for name, each in variables().items() if not name.startswith("COV")}
        settings = {**kept, **index_settings.for_uv(kept, home)}
        own = {"HOME": name, "PYTHONPATH": f"{home}/site", "PATH": f"{home}/bin:/usr/bin:/bin"}
        done = subprocess.run(
            [*NOBODY.split(), python, "-B", "-m", "fcplug", "build", *target_options(),
             "--function", "hello", "--installer", "uv"],
            cwd=folder, env={**settings, **own}, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (folder / "code-hello.zip").stat().st_uid == 65534
        theirs, ours = entries(folder / "code-hello.zip"), entries(small.folder / "code-hello.zip")
        if version_of(python) == version_of(sys.executable):
            assert digest(folder / "code-hello.zip") == digest(small.folder / "code-hello.zip")
        assert theirs == ours


def entries(package: Path) -> dict[str, bytes]:
    """Return the files of a package without the compiled ones."""
    with zipfile.ZipFile(package) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".pyc")]
        return {name: archive.read(name) for name in names}


def version_of(python: str) -> str:
    return subprocess.check_output([python, "-c", "import sys; print(sys.version)"], text=True)


def copy_environment(home: Path) -> None:
    """Copy fcplug, its tools and two plugins, with wheels in place of their sources."""
    program = uv.find(os.environ)
    waiting, copied = ["fcplug-hello", "fcplug-audit", "fcplug[tools]"], set[str]()
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name in copied or requirement.name == "uv":
            continue
        copied.add(requirement.name)
        found = metadata.distribution(requirement.name)
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts and file.suffix != ".pth":
                (home / "site" / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), home / "site" / file)
        for text in found.requires or ():
            marker = Requirement(text).marker
            extras = ({"extra": extra} for extra in ("", *requirement.extras))
            if marker is None or any(map(marker.evaluate, extras)):
                waiting.append(text)
    shutil.copytree(Path(fcplug.__file__).parent, home / "site" / "fcplug", dirs_exist_ok=True)
    for name in ("fcplug", "fcplug-hello", "fcplug-audit"):
        (info,) = (home / "site").glob(f"{name.replace('-', '_')}-*.dist-info")
        source = json.loads((info / "direct_url.json").read_text())["url"].removeprefix("file://")
        out = home / f"wheel-{name}"
        subprocess.run(
            [program, "build", "--quiet", "--wheel", "--out-dir", out, source],
            env={**sources.environment(variables()), **index_settings.for_uv(variables(), home)},
            check=True,
        )
        (built,) = out.glob("*.whl")
        recorded = {"url": built.as_uri(), "archive_info": {}}
        (info / "direct_url.json").write_text(json.dumps(recorded))


def test_pip_builds_the_same_package_as_uv(small: Shared, tmp_path: Path) -> None:
    folder = full_project(tmp_path / "shop")
    shutil.copy(small.folder / "code-hello.lock.txt", folder)
    options = (*target_options(), "--function", "hello")
    done = build(folder, *options, "--installer", "pip", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["installer"] == "pip"
    assert facts["sha256"] == digest(small.folder / "code-hello.zip")
    assert facts["bytes"] == (folder / "code-hello.zip").stat().st_size
    assert facts["loaded"] is True
    assert facts["functions"] == ["hello"]
    assert facts["left_out"] == ["greeter.py", "notes.txt", "texts/"]
    sizes = {each["name"]: each["bytes"] for each in facts["distributions"]}
    with zipfile.ZipFile(folder / "code-hello.zip") as archive:
        assert sum(sizes.values()) == sum(entry.file_size for entry in archive.infolist())


def test_the_table_has_each_distribution_with_its_size(built: Shared) -> None:
    rows = {line.split()[0]: line.split() for line in built.output.splitlines() if line.strip()}
    assert rows["DISTRIBUTION"][1:] == ["VERSION", "FROM", "SIZE", "PACKED"]
    assert rows["pillow"][2] == "index"
    assert rows["fcplug-hello"][2].endswith("hello")
    assert "not in the package: notes.txt; --include adds it" in built.output
    assert "built code.zip: 3 functions, loaded from it, for custom.debian" in built.output


def test_the_bill_of_materials_is_valid_and_names_every_distribution(built: Shared) -> None:
    text = (built.folder / "code.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    named = {each["name"].lower(): each for each in bom["components"]}
    installed = {
        path.name.partition("-")[0].replace("_", "-").lower()
        for path in (built.code / "python").glob("*.dist-info")
    }
    assert named.keys() == installed
    assert named["pillow"]["licenses"]
    (thumbnail,) = [d for d in bom["dependencies"] if "fcplug-thumbnail" in d["ref"]]
    assert any("pkg:pypi/pillow@" in each for each in thumbnail["dependsOn"])
    assert bom["metadata"]["component"]["hashes"][0]["content"] == digest(built.folder / "code.zip")


def test_the_lock_file_is_one_that_pip_installs(built: Shared, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps",
         "--require-hashes", "-r", built.folder / "code.lock.txt", "--target", tmp_path],
        env=variables(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stdout


def test_a_package_of_one_function_has_only_what_that_needs(small: Shared) -> None:
    with zipfile.ZipFile(small.folder / "code-hello.zip") as archive:
        names = archive.namelist()
    assert "python/fcplug_hello.py" in names
    assert "python/fcplug_audit.py" in names
    assert "greeter.py" not in names
    assert not [name for name in names if name.startswith(("python/PIL", "python/fcplug_thumb"))]
    environ = {"FCPLUG_PYTHON": PYTHON, "FC_FUNCTION_NAME": "hello"}
    with start(small.code, environ=environ) as instance:
        assert instance.invoke("hello", b"Ada").status == 200


def test_a_package_that_this_machine_cannot_run_says_what_it_lacks(tmp_path: Path) -> None:
    processor = "x86_64" if platform.machine() == "aarch64" else "aarch64"
    other = "3.12" if VERSION == "3.13" else "3.13"
    nowhere = {"PYENV_ROOT": "/nonexistent", "XDG_DATA_HOME": "/nonexistent"}
    environ = {"PATH": "/usr/bin:/bin", **nowhere}
    if shutil.which(f"python{other}", path=environ["PATH"]):
        pytest.skip(f"the system has Python {other}")
    folder = project(tmp_path / "shop", CONFIG_OF_CODE, {"index.py": HANDLER})
    options = ("--python", other, "--architecture", processor)
    done = build(folder, *options, environ=environ)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert (
        f"the code is not compiled, so each cold start takes twice as long: Python {other}" in said
    )
    assert "set FCPLUG_PYTHON to the path of Python" in said
    assert ", loaded from it" not in said
    code = unpack(folder / "code.zip", tmp_path / "code")
    binaries = [path for path in code.rglob("*.so") if ".cpython-" in path.name]
    assert {path.read_bytes()[18:20] for path in binaries} == {MACHINES[processor]}
    assert all(f".cpython-{other.replace('.', '')}-" in path.name for path in binaries)
    assert [*code.rglob("*.pyc")] == []


def test_the_distribution_that_code_imports_comes_with_it(tmp_path: Path) -> None:
    handler = "def handle(event, context):\n    import idna\n    return idna.__version__\n"
    folder = project(tmp_path / "shop", CONFIG_OF_CODE, {"index.py": handler})
    done = build(folder, *target_options())
    assert done.returncode == 0, done.stderr
    assert re.search(r"^idna ", done.stdout, re.MULTILINE)
    code = unpack(folder / "code.zip", tmp_path / "code")
    with start(code, environ={"FCPLUG_PYTHON": PYTHON}) as instance:
        assert instance.invoke("web").status == 200


CONFIG_OF_CODE = "version: 1\nfunctions:\n  web: {handler: index:handle}\n"
MACHINES = {"x86_64": b"\x3e\x00", "aarch64": b"\xb7\x00"}  # in the head of an ELF file
HANDLER = "def handle(event, context):\n    return event\n"
