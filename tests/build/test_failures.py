"""What cannot be built: a clear error, nothing half written, and the last package as it was."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fcplug.build import lock
from support.packages import build, project, target_options, variables, wheel
from support.waiting import wait_until

pytestmark = pytest.mark.slow
CONFIG = "version: 1\nfunctions:\n  web: {handler: index:handle}\n"
FILES = {"index.py": "def handle(event, context):\n    return event\n"}
NO_NETWORK = {
    "UV_DEFAULT_INDEX": "http://ada:secret@127.0.0.1:9/simple",
    "UV_HTTP_RETRIES": "0",
    "UV_NO_CACHE": "1",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a project with a package from before."""
    made = project(tmp_path / "shop", CONFIG, FILES)
    (made / "code.zip").write_bytes(b"the last good one")
    return made


def refused(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, code: int = 1
) -> str:
    """Build what cannot be built, and return the error on one line."""
    before = contents(folder)
    done = build(folder, *target_options(), *arguments, environ=environ)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert contents(folder) == before
    return " ".join(done.stderr.split())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } | {f"{path.name}/": b"" for path in folder.iterdir() if path.is_dir() and path.name[0] == "."}


def test_a_dependency_without_a_wheel_for_the_target(folder: Path) -> None:
    links = folder.parent / "wheels"
    wheel(links, "acme-native", tag="cp38-cp38-win_amd64")
    wheel(links, "acme-resize", requires=["acme-native"])
    (folder / "requirements.txt").write_text("# ours\nacme-resize\n")
    error = refused(folder, environ={"UV_FIND_LINKS": str(links)})
    assert re.match(r"error: acme-native has no wheel for custom\.debian1\d \(Python 3\.", error)
    assert "needed by: acme-resize, requirements.txt:2" in error
    assert "cp38" in error
    assert "fix: choose a version that has one, another image or Python" in error


def test_two_versions_that_exclude_each_other(folder: Path) -> None:
    links = folder.parent / "wheels"
    for version in ("1.0", "2.0"):
        wheel(links, "acme-base", version)
    wheel(links, "acme-left", requires=["acme-base<2"])
    wheel(links, "acme-right", requires=["acme-base>=2"])
    (folder / "requirements.txt").write_text("acme-left\nacme-right\n")
    error = refused(folder, environ={"UV_FIND_LINKS": str(links)})
    assert "error: the requirements exclude each other, for custom.debian" in error
    assert "acme-left is needed by requirements.txt:1" in error
    assert "acme-right is needed by requirements.txt:2" in error
    assert "acme-base" in error


def test_pip_says_the_same_in_its_own_words(folder: Path) -> None:
    links = folder.parent / "wheels"
    wheel(links, "acme-native", tag="cp38-cp38-win_amd64")
    wheel(links, "acme-resize", requires=["acme-native"])
    (folder / "requirements.txt").write_text("acme-resize\n")
    environ = {"PIP_FIND_LINKS": str(links)}
    error = refused(folder, "--installer", "pip", environ=environ)
    assert "error: there is no acme-native for custom.debian" in error
    assert "needed by: acme-resize, requirements.txt:1" in error


def test_a_version_of_a_local_package_that_is_not_here(folder: Path) -> None:
    (folder / "requirements.txt").write_text("fcplug>=99\n")
    assert "requirements.txt:1 requires fcplug>=99, and " in refused(folder)


def test_no_network_is_said_and_no_credential_of_the_index(folder: Path) -> None:
    error = refused(folder, environ=NO_NETWORK)
    assert "error: a package index cannot be reached" in error
    assert "fix: check the network" in error
    assert "secret" not in error


def test_a_plugin_that_is_not_installed_is_what_check_says(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop", "version: 1\nfunctions:\n  web: {handler: resize}\n")
    error = refused(folder)
    assert "config/functions.yaml:3:9: functions.web.handler:" in error
    assert "resize" in error


def test_a_configuration_that_there_is_not(folder: Path) -> None:
    assert " fix: fcplug build config/functions.yaml" in refused(folder, "no.yaml")


def test_a_function_that_there_is_not(folder: Path) -> None:
    assert "error: no function 'wep' (did you mean 'web'?)" in refused(folder, "--function", "wep")


def test_a_package_over_the_limit_of_function_compute(folder: Path) -> None:
    (folder / "big.bin").write_bytes(os.urandom(1_200_000))
    error = refused(folder, "--include", "big.bin", "--limit", "1", "--no-load", "--no-compile")
    assert re.search(r"the package has \d\.\d MB, and Function Compute takes 1 MB fix: ", error)


def test_a_link_out_of_the_code_folder(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "inside.txt").symlink_to("../index.py")
    (folder / "data" / "outside.txt").symlink_to("/etc/hostname")
    error = refused(folder, "--include", "data")
    assert "data/outside.txt is a link out of the code folder, to /etc/hostname" in error


def test_a_file_name_with_a_newline(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "two\nlines.txt").write_text("")
    error = refused(folder, "--include", "data")
    assert r"the file name 'data/two\nlines.txt' has a character" in error


def test_a_file_that_is_no_file(folder: Path) -> None:
    (folder / "data").mkdir()
    os.mkfifo(folder / "data" / "pipe")
    assert "error: data/pipe is no regular file" in refused(folder, "--include", "data")


def test_a_bootstrap_that_is_not_in_the_code_folder(folder: Path) -> None:
    other = folder.parent / "other.sh"
    other.write_text("#!/bin/sh\n")
    (folder / "bootstrap").symlink_to(other)
    assert f"error: bootstrap is a link out of the code folder, to {other}" in refused(folder)
    (folder / "bootstrap").unlink()
    (folder / "bootstrap").mkdir()
    assert "error: bootstrap is no regular file" in refused(folder)


@pytest.mark.parametrize("name", ["index.py", "config/functions.yaml", "new"])
def test_an_output_that_is_no_archive(folder: Path, name: str) -> None:
    said = refused(folder, "--output", name, code=2)
    assert f"--output {name}: the name of a package ends with .zip" in said


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("../secret.txt", "it is not in the code folder"),
        ("/etc/hostname", "it is not in the code folder"),
        ("texts/*", "no such file in"),
        (".env*", "secrets are left out"),
        ("config/functions.yaml", "config/functions.yaml is written by the build"),
    ],
)
def test_a_pattern_that_adds_nothing_or_too_much(folder: Path, pattern: str, said: str) -> None:
    (folder / ".env").write_text("PASSWORD=secret")
    assert said in refused(folder, "--include", pattern)


def test_a_folder_that_may_not_be_written(folder: Path) -> None:
    assert "/proc" in refused(folder, "--output", "/proc/code.zip")
    (folder / "taken.zip").mkdir()
    assert "taken.zip is a folder" in refused(folder, "--output", "taken.zip")


def test_a_disk_that_takes_no_more_keeps_the_last_package(folder: Path) -> None:
    before = contents(folder)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "fcplug", "build", *target_options(), "--no-load"],
        cwd=folder, env=unmeasured_variables(), capture_output=True, text=True, timeout=120,
        check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20,) * 2),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert contents(folder) == before


def unmeasured_variables() -> dict[str, str]:
    return {name: each for name, each in variables().items() if not name.startswith("COVERAGE")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_the_last_package_and_no_process(
    folder: Path, number: signal.Signals
) -> None:
    before = contents(folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", "build", *target_options()],
        cwd=folder, env=unmeasured_variables() | {"TMPDIR": str(folder.parent)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: [*folder.glob(".fcplug-build-*")])
    wait_until(lambda: [*children(process.pid)])
    inside = [*children(process.pid)]
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 128 + number), stderr
    assert "Traceback" not in stderr
    assert contents(folder) == before
    assert [*folder.parent.glob("fcplug-build-*")] == []
    wait_until(lambda: not [pid for pid in inside if Path(f"/proc/{pid}").exists()])


def test_an_interrupt_leaves_no_file_that_the_loaded_code_made(folder: Path) -> None:
    (folder / "index.py").write_text(
        "import tempfile, time\n"
        "if 'fcplug-build-' in __file__:\n"
        "    tempfile.mkstemp(suffix='.made')\n"
        "    time.sleep(120)\n"
        "def handle(event, context):\n    return event\n"
    )
    places = folder.parent / "tmp"
    places.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", "build", *target_options()],
        cwd=folder, env=unmeasured_variables() | {"TMPDIR": str(places)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: [*places.glob("*.made"), *places.glob("*/*/*.made")])
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert [*places.iterdir()] == []


def children(parent: int) -> Iterator[int]:
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        yield from map(int, path.read_text().split())


def test_a_handler_that_needs_a_file_that_is_left_out(folder: Path) -> None:
    (folder / "prices.json").write_text("{}")
    (folder / "index.py").write_text(
        "from pathlib import Path\n"
        "PRICES = (Path(__file__).parent / 'prices.json').read_text()\n"
        "def handle(event, context):\n    return PRICES\n"
    )
    error = refused(folder)
    assert "error: a function does not load from the package, though it does here" in error
    assert "web: " in error
    assert "prices.json" in error
    assert str(folder.parent) not in error.replace(str(folder), "")
    done = build(folder, *target_options(), "--include", "prices.json", "--no-compile")
    assert done.returncode == 0, done.stderr


def test_locked_refuses_what_the_lock_file_does_not_name(folder: Path) -> None:
    error = refused(folder, "--locked")
    assert "error: --locked: there is no code.lock.txt" in error
    links = folder.parent / "wheels"
    wheel(links, "acme-base", "1.0", requires=["acme-deep"])
    wheel(links, "acme-deep", "1.0")
    environ = {"UV_FIND_LINKS": str(links)}
    (folder / "requirements.txt").write_text("acme-base\n")
    quick = (*target_options(), "--no-load", "--no-compile")
    done = build(folder, *quick, environ=environ)
    assert done.returncode == 0, done.stderr
    wheel(links, "acme-base", "2.0", requires=["acme-deep"])
    assert build(folder, *quick, "--locked", environ=environ).returncode == 0
    text = (folder / "code.lock.txt").read_text()
    assert lock.pins(text)[0].version == "1.0"

    (folder / "requirements.txt").write_text("acme-base>=2\n")
    error = refused(folder, "--locked", environ=environ)
    assert "it does not name acme-base>=2, which the package requires" in error
    (folder / "requirements.txt").write_text("acme-deep\n")
    error = refused(folder, "--locked", environ=environ)
    assert "it names acme-base, which nothing requires" in error
    (folder / "requirements.txt").write_text("acme-base\n")
    wheel(links, "acme-deep", "1.0")
    error = refused(folder, "--locked", environ={**environ, "UV_NO_CACHE": "1"})
    assert "error: a file is not the one that the lock file names" in error
    (folder / "code.lock.txt").write_text(text.replace("for custom", "for another"))
    assert "code.lock.txt does not fit this package it is for another" in refused(
        folder, "--locked", environ=environ
    )


def test_an_s_yaml_that_does_not_say_the_image(folder: Path) -> None:
    (folder / "s.yaml").write_text("name: [shop\n")
    before = contents(folder)
    done = build(folder)
    assert (done.returncode, done.stdout, contents(folder)) == (1, "", before)
    assert "s.yaml:2:1: cannot be read: " in done.stderr
    assert "fix: correct it, or give --image" in done.stderr


def test_an_s_yaml_with_two_images_asks_for_one(folder: Path) -> None:
    function = "  {0}: {{component: fc3, props: {{runtime: {1}, code: .}}}}\n"
    (folder / "s.yaml").write_text(
        "resources:\n"
        + function.format("old", "custom.debian11")
        + function.format("other", "python3.12")
        + function.format("new", "custom.debian12")
    )
    before = contents(folder)
    done = build(folder)
    assert (done.returncode, done.stdout, contents(folder)) == (1, "", before)
    assert "s.yaml:4:33: 'old' has custom.debian11, and 'new' custom.debian12" in done.stderr
    assert "fix: build one package for each, with --image and --function" in done.stderr


def test_wrong_usage_is_exit_code_2(folder: Path) -> None:
    assert "--python 2.7" in refused(folder, "--python", "2.7", code=2)
    assert "--python 3.9: fcplug needs 3.10 or newer" in refused(folder, "--python", "3.9", code=2)
    assert "--locked keeps" in refused(folder, "--locked", "--upgrade", code=2)
    assert "custom.debian12" in refused(folder, "--image", "custom.debian9", code=2)
