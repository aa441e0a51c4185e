"""``fcplug manifest container``, ``kubernetes`` and ``knative`` as commands."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from fcplug.manifests import seal
from fcplug.tools.main import run
from support.commands import run as run_process
from support.deployed import deploy

CONFIG = "version: 1\nfunctions:\n  hello: {handler: app.a}\n  Two_b: {handler: app.b}\n"
CLUSTER = ("kubernetes", "knative")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = deploy(tmp_path / "My Shop!", CONFIG)
    monkeypatch.chdir(made)
    return made


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("command", CLUSTER)
def test_all_functions_run_as_one_named_after_the_folder(folder: Path, command: str) -> None:
    done = run_process("manifest", command, "--image", "shop:1", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    names = {each["metadata"]["name"] for each in documents(done.stdout.decode())}
    assert names == {"my-shop", "my-shop-config"}


@pytest.mark.parametrize(("command", "suffix"), [("kubernetes", ""), ("knative", ".knative")])
def test_each_function_has_a_file_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, suffix: str
) -> None:
    arguments = ["manifest", command, "--image", "shop:1", "-o", "out"]
    assert run([*arguments, "--each"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"out/hello{suffix}.yaml: new", f"out/two-b{suffix}.yaml: new",
    ]  # fmt: skip
    assert run([*arguments, "--function", "Two_b", "-f", "Two_b", "--json"]) == 0
    (only,) = json.loads(capsys.readouterr().out)["files"]
    assert only == {"path": f"two-b{suffix}.yaml", "state": "updated"}
    sealed = seal.read((folder / "out" / f"two-b{suffix}.yaml").read_text())
    assert sealed is not None
    assert sealed.intact
    assert sealed.arguments[0] == command


def test_the_printed_files_of_several_functions_are_one_stream(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "knative", "--image", "shop:1", "--each"]) == 0
    kinds = [each["kind"] for each in documents(capsys.readouterr().out)]
    assert kinds == ["ConfigMap", "Service"] * 2


@pytest.mark.parametrize("command", CLUSTER)
def test_an_edit_is_not_overwritten_and_nothing_else_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    arguments = ["manifest", command, "--each", "-o", ".", "--image"]
    assert run([*arguments, "shop:1"]) == 0
    first, second = sorted(file for file in os.listdir() if file.endswith(".yaml"))
    edited = Path(second).read_text().replace("shop:1", "shop:7")
    Path(second).write_text(edited)
    before = Path(first).read_text()
    assert run([*arguments, "shop:2"]) == 1
    error = capsys.readouterr().err
    assert "it was edited" in error
    assert "fix: keep your values in a kustomization, then --force" in error
    assert (Path(first).read_text(), Path(second).read_text()) == (before, edited)


@pytest.mark.parametrize("command", CLUSTER)
def test_a_function_with_the_name_of_the_project_does_not_replace_all_functions(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    arguments = ["manifest", command, "--image", "shop:1", "--name", "hello", "-o", "out"]
    assert run(arguments) == 0
    (file,) = (folder / "out").iterdir()
    before = file.read_text()
    capsys.readouterr()
    for alone in ("--each",), ("--function", "hello"):
        assert run([*arguments, *alone]) == 1
        error = capsys.readouterr().err.splitlines()
        assert error[0].startswith(f"out/{file.name}: it runs all functions, and would run one ")
        assert [each.read_text() for each in (folder / "out").iterdir()] == [before]
    assert run([*arguments, "--each", "--force"]) == 0
    capsys.readouterr()
    assert run(arguments) == 1
    assert "it runs one of them, and would run all functions" in capsys.readouterr().err


def test_a_containerfile_is_printed_or_written_with_its_ignore_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "container"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# Runs the package of fcplug build in a container")
    assert run(["manifest", "container", "-o", "."]) == 0
    assert (folder / "Containerfile").read_text() == printed
    assert (folder / ".dockerignore").read_text().endswith("\n*\n!code.zip\n")
    capsys.readouterr()
    assert run(["manifest", "container", "-o", ".", "--json"]) == 0
    states = [file["state"] for file in json.loads(capsys.readouterr().out)["files"]]
    assert states == ["unchanged", "unchanged"]


def test_the_number_of_pods_stays_when_the_image_changes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def budget(*arguments: str) -> tuple[int, int, str]:
        assert run(["manifest", "kubernetes", "-o", "k8s", *arguments]) == 0
        found = {
            each["kind"]: each for each in documents((folder / "k8s/my-shop.yaml").read_text())
        }
        scaler = found["HorizontalPodAutoscaler"]
        spec = scaler["spec"]
        return spec["minReplicas"], spec["maxReplicas"], scaler["metadata"].get("namespace", "")

    assert budget("--image", "shop:1", "--min", "3", "--max", "50", "-n", "prod") == (3, 50, "prod")
    assert budget("--image", "shop:2") == (3, 50, "prod")
    assert budget("--image", "shop:2", "--max", "60") == (3, 60, "prod")
    assert budget("--image", "shop:2", "--reset") == (2, 10, "")


def test_a_pool_has_one_file_and_an_option_that_contradicts_scale_is_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scaled = "version: 1\ndefaults: {scale: {pool: both, min: 3, max: 9}}\n"
    (folder / "config" / "functions.yaml").write_text(CONFIG.replace("version: 1\n", scaled))
    arguments = ["manifest", "knative", "--image", "shop:1", "--each"]
    assert run([*arguments, "-o", "out"]) == 0
    assert os.listdir(folder / "out") == ["both.knative.yaml"]
    capsys.readouterr()
    assert run([*arguments, "--max", "2"]) == 2
    error = capsys.readouterr().err
    assert "--min 3 is above --max 2: one of them is of scale in functions.yaml, for both" in error


def test_a_container_has_the_python_of_the_image_in_s_yaml(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "container"]) == 0
    assert "python:3.11-slim" in capsys.readouterr().out
    (folder / "app.py").write_text("def a(event, context): ...\nb = a\n")
    assert run(["manifest", "s.yaml", "--image", "custom.debian11", "-o", "."]) == 0
    assert run(["manifest", "container", "-o", "."]) == 0
    assert "python:3.12-slim" in (folder / "Containerfile").read_text()
    assert run(["manifest", "container", "--python", "3.13", "-o", "."]) == 0
    assert run(["manifest", "container", "-o", "."]) == 0
    assert "python:3.13-slim" in (folder / "Containerfile").read_text()
    (folder / "s.yaml").write_text("name: [shop\n")
    capsys.readouterr()
    assert run(["manifest", "container"]) == 1
    error = capsys.readouterr().err
    assert "s.yaml:2:1: cannot be read: " in error
    assert "fix: correct it, or give --image" in error
    assert run(["manifest", "container", "--image", "custom.debian10"]) == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["kubernetes"], "Missing option '--image'"),
        (["kubernetes", "--image", "a b"], "--image: 'a b' is not the name of an image"),
        (["kubernetes", "--image", "a\nb"], "--image: 'a\\nb' is not the name of an image"),
        (["kubernetes", "--image", "a", "-n", "A"], "--namespace: 'A' is not possible"),
        (["kubernetes", "--image", "a", "--name", "a_b"], "--name: 'a_b' is not possible"),
        (["kubernetes", "--image", "a", "--min", "9", "--max", "3"], "--min 9 is above --max 3"),
        (["kubernetes", "--image", "a", "--min", "0"], "--min"),
        (["knative", "--image", "a", "--each", "-f", "hello"], "--each runs all functions"),
        (["knative", "--image", "a", "-f", "helo"], "(did you mean 'hello'?)"),
        (["container", "--code", "../x.zip"], "--code: '../x.zip' must be a path below"),
        (["container", "--name", "a b"], "--name: 'a b' must be letters"),
        (["pods"], "No such command 'pods'"),
    ],
)
def test_wrong_usage_names_the_option(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert run(["manifest", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert expected in printed.err


def test_names_that_collide_are_an_error_with_their_places(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIG.replace("hello", "two.b")
    (folder / "config" / "functions.yaml").write_text(text)
    assert run(["manifest", "kubernetes", "--image", "a", "--each", "-o", "out"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("config/functions.yaml:4:3: functions.Two_b: 'Two_b' and 'two.b' would")
    assert not (folder / "out").exists()
    assert run(["manifest", "kubernetes", "--image", "a", "-f", "two.b"]) == 0


def test_a_pool_with_the_name_of_a_function_is_named_as_a_pool(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIG.replace("app.b", "app.b, scale: {pool: hello}")
    (folder / "config" / "functions.yaml").write_text(text)
    assert run(["manifest", "kubernetes", "--image", "a", "--each"]) == 1
    assert "the pool 'hello' and 'hello' would both have the name" in capsys.readouterr().err
