"""``fcplug new``: what it makes, what it refuses, and that it makes all or nothing."""

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fcplug import assets
from fcplug.config import loader
from fcplug.tools import scaffold
from support.commands import environment, run
from support.deployed import ROOT

KINDS = {
    "handler": ("handlers", ":handle"),
    "middleware": ("middleware", ":ResizeMiddleware"),
    "wsgi": ("wsgi", ":app"),
    "asgi": ("asgi", ":app"),
}


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_project_is_complete(tmp_path: Path) -> None:
    done = run("new", "project", "shop", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"cd shop\n" in done.stdout
    made = files(tmp_path / "shop")
    assert set(made) == {
        ".github/workflows/ci.yml",
        ".gitignore",
        "Makefile",
        "README.md",
        "bootstrap",
        "config/functions.schema.json",
        "config/functions.yaml",
        "hello.py",
        "pytest.ini",
        "requirements-dev.txt",
        "requirements.txt",
        "tests/test_hello.py",
    }
    assert made["bootstrap"] == assets.BOOTSTRAP.read()
    assert os.access(tmp_path / "shop" / "bootstrap", os.X_OK)
    assert made["config/functions.schema.json"] == assets.SCHEMA.read()
    assert made["README.md"].startswith(b"# shop\n")
    configuration = made["config/functions.yaml"].decode()
    assert configuration.startswith("# yaml-language-server: $schema=functions.schema.json\n")
    assert loader.parse(configuration, "functions.yaml", {}).functions.keys() == {"hello"}
    yaml.safe_load(made[".github/workflows/ci.yml"])


def test_a_new_project_answers_at_once(tmp_path: Path) -> None:
    run("new", "project", "shop", cwd=tmp_path)
    checked = run("check", "--strict", cwd=tmp_path / "shop")
    assert checked.returncode == 0, checked.stdout
    called = run("invoke", "hello", "--event", "Ada", cwd=tmp_path / "shop")
    assert called.stdout == b'{\n    "message": "Hello, Ada!"\n}'


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_has_an_entry_point_of_its_kind_and_a_readme_whose_example_is_right(
    kind: str, tmp_path: Path
) -> None:
    option = [] if kind == "handler" else [f"--{kind}"]
    done = run("new", "plugin", "resize", *option, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    made = files(tmp_path / "fcplug-resize")
    assert set(made) == {
        "README.md", "fcplug_resize.py", "pyproject.toml", "tests/test_fcplug_resize.py",
    }  # fmt: skip
    group, attribute = KINDS[kind]
    entry = f'[project.entry-points."fcplug.{group}"]\nresize = "fcplug_resize{attribute}"\n'
    assert entry in made["pyproject.toml"].decode()
    example = made["README.md"].decode().partition("```yaml\n")[2].partition("```")[0]
    loader.parse(f"version: 1\n{example}", "functions.yaml", {})
    for name in ("fcplug_resize.py", "tests/test_fcplug_resize.py"):
        compile(made[name], name, "exec")


def test_a_plugin_of_two_words_and_with_the_prefix_is_named_once(tmp_path: Path) -> None:
    run("new", "plugin", "fcplug-image-size", cwd=tmp_path)
    assert "fcplug_image_size.py" in files(tmp_path / "fcplug-image-size")


def test_the_plugin_hello_equals_what_the_template_makes() -> None:
    made = scaffold.render("handler", scaffold.plugin_values("hello"))
    folder = ROOT / "plugins" / "hello"
    listed = subprocess.run(
        ["git", "ls-files"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {str(path) for path in made} == set(listed)
    for path, data in made.items():
        ours = re.sub("<!-- not run: .* -->\n", "", (folder / path).read_text())
        assert data.decode() == ours, path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plugin", "9to5"], "'9to5' cannot be the name of a plugin"),
        (["plugin", "Image Size"], "as in 'image-size'"),
        (["plugin", "on"], "YAML does not read it as text: choose another, as in 'my-on'"),
        (["plugin", ""], "as in 'my-plugin'"),
        (["plugin", "../up"], "as in 'up'"),
        (["plugin", "\x1b[31mred"], "cannot be the name"),
        (["project", "a/b"], "as in 'a-b'"),
        (["project", ".."], "as in 'my-functions'"),
        (["project", "/tmp"], "as in 'tmp'"),
        (["plugin", "x", "--wsgi", "--asgi"], "a plugin is of one kind"),
        (["project"], "NAME"),
        (["function"], "function"),
    ],
)
def test_a_name_that_cannot_be_is_wrong_usage_and_makes_nothing(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    done = run("new", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
    assert b"\x1b" not in done.stderr
    assert list(folder.iterdir()) == []


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")
    (tmp_path / "fcplug-resize").write_text("a file")
    (tmp_path / "link").symlink_to("nowhere")
    before = files(tmp_path)
    for arguments in (["project", "shop"], ["plugin", "resize"], ["project", "link"]):
        done = run("new", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"Traceback" not in done.stderr
    assert files(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 3, "no temporary folder is left"


def test_an_empty_folder_may_be_there_already(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    assert run("new", "project", "shop", cwd=tmp_path).returncode == 0
    assert (tmp_path / "shop" / "hello.py").exists()


def test_the_name_of_an_installed_plugin_is_taken(tmp_path: Path) -> None:
    done = run("new", "plugin", "hello", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"the handler 'hello' is installed already, by fcplug-hello 0.1.0" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert run("new", "plugin", "hello", "--wsgi", cwd=tmp_path).returncode == 0


def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-B", "-m", "fcplug", "new", "project", "shop"],
        cwd=folder, env=environment(), capture_output=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert b"'shop' cannot be written: File too large" in done.stderr
    assert list(folder.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    done = run("new", "project", "shop", cwd=Path("/proc"))
    assert done.returncode == 1
    assert b"'shop' cannot be written: " in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_interrupt_while_it_writes_leaves_all_or_nothing(tmp_path: Path) -> None:
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-m", "fcplug", "new", "project", "shop"],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        while not os.listdir(folder) and process.poll() is None:
            pass  # the files are written within milliseconds
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode in (0, 130, -signal.SIGINT), stderr  # the last: at its very end
        left = {entry.name for entry in folder.iterdir()}
        assert left in (set(), {"shop"})
        if left:
            assert len(files(folder / "shop")) == 12
