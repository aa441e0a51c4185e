"""The Containerfile: what a linter says of it, and what its steps do when they are run."""

import json
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from fcplug.manifests import container
from fcplug.manifests.image import IMAGES
from support.deployed import deploy, free_port, start

HERE = "{}.{}".format(*sys.version_info)


def made(code: str = "code.zip", path: str | None = "/health", image: str = "12") -> str:
    order = container.Order(
        "shop", code, IMAGES[f"custom.debian{image}"], path, ["container", "--code", code]
    )
    return container.containerfile(order)


def steps(text: str, instruction: str) -> list[str]:
    """Return what stands after an instruction, each on one line."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r" *\\\n *", " ", "\n".join(lines))
    return [
        line.removeprefix(f"{instruction} ")
        for line in joined.splitlines()
        if line.startswith(f"{instruction} ")
    ]


def health_check(text: str, port: int) -> Sequence[str]:
    (step,) = steps(text, "HEALTHCHECK")
    command: list[str] = json.loads(step.partition(" CMD ")[2].replace("9000", str(port)))
    return [sys.executable if word == "python3" else word for word in command]


@pytest.mark.parametrize("path", ["/health", None, "/a'b\"c$d\\e"])
def test_a_linter_finds_nothing(tmp_path: Path, path: str | None) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        assert platform.machine() != "x86_64", "the dev group installs hadolint"
        pytest.skip("hadolint has no wheel for this machine")
    file = tmp_path / container.FILE
    file.write_text(made(path=path))
    done = subprocess.run(
        [hadolint, "--no-color", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_last_stage_has_no_root_and_no_build_tools() -> None:
    text = made()
    assert len(steps(text, "FROM")) == 2
    assert steps(text, "USER") == ["10001:10001"]
    last = text.rpartition("FROM ")[2]
    assert "RUN" not in last
    assert steps(text, "ENTRYPOINT") == ['["/code/bootstrap"]']
    (labels,) = steps(text, "LABEL")
    assert set(re.findall(r"org\.opencontainers\.image\.(\w+)=", labels)) == {
        "title", "version", "revision",
    }  # fmt: skip


@pytest.mark.parametrize(("image", "version"), [("10", "3.10"), ("11", "3.12"), ("12", "3.11")])
def test_the_base_has_the_python_of_the_package(image: str, version: str) -> None:
    text = made(image=image)
    assert f"ARG BASE=docker.io/library/python:{version}-slim-bookworm\n" in text
    guard = json.loads(steps(text, "RUN")[0])
    done = subprocess.run(
        [sys.executable, *guard[1:]], capture_output=True, text=True, timeout=60, check=False
    )
    expected = (
        "" if version == HERE else f"the package is for Python {version}: give another BASE\n"
    )
    assert done.stderr == expected


def test_the_package_is_unpacked_so_that_another_user_can_run_it(tmp_path: Path) -> None:
    code = deploy(tmp_path / "made", "version: 1\nfunctions: {a: {handler: app.handle}}\n")
    (code / "app.py").write_text("def handle(event, context): return event\n")
    (code / "app.py").chmod(0o600)
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in filter(Path.is_file, code.rglob("*")):
            zipped.write(file, file.relative_to(code))
    target = tmp_path / "code"
    step = steps(made(), "RUN")[1].replace("/package.zip", str(archive))
    step = step.replace("/code", str(target)).replace("python3", sys.executable)
    subprocess.run(["sh", "-ec", step], check=True, timeout=60)
    modes = {file.name: file.stat().st_mode & 0o777 for file in target.rglob("*")}
    assert modes.pop("config") == 0o755
    assert modes.pop("bootstrap") == 0o755
    assert set(modes.values()) == {0o644}
    with start(target) as instance:
        assert instance.invoke("a", b"yes").body == b"yes"


def test_the_health_check_asks_the_running_instance(tmp_path: Path) -> None:
    path = "/is it/alive'?\"".partition(" ")[0]
    config = f"version: 1\nruntime: {{health_path: {path}}}\nfunctions: {{a: {{handler: app.a}}}}\n"
    folder = deploy(tmp_path, config, {"app.py": "def a(event, context): return event\n"})

    def answers(text: str, port: int) -> bool:
        command = health_check(text, port)
        environ = {"http_proxy": "http://127.0.0.1:1"}
        done = subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False)
        return done.returncode == 0

    with start(folder) as instance:
        assert answers(made(path=path), instance.port)
        assert answers(made(path=None), instance.port)
    dead = free_port()
    assert not answers(made(path=path), dead)
    assert not answers(made(path=None), dead)


@pytest.mark.parametrize("code", ["code.zip", "./code.zip", "dist/my-code_1.0.zip"])
def test_the_builder_gets_the_package_and_nothing_else(code: str) -> None:
    assert container.check_code(code) == ""
    order = container.Order("shop", code, IMAGES["custom.debian12"], None, [])
    lines = container.ignore_file(order).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "", "*", f"!{code.removeprefix('./')}",
    ]  # fmt: skip
    assert f"COPY {code.removeprefix('./')} /package.zip\n" in made(code)


@pytest.mark.parametrize("code", ["/code.zip", "../code.zip", "a b.zip", "*.zip", "", "a\nUSER 0"])
def test_a_package_that_the_builder_cannot_be_given_is_an_error(code: str) -> None:
    assert "must be a path below the folder of the Containerfile" in container.check_code(code)
