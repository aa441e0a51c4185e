"""The package as others get it: its README is true, and its wheel is complete."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from fcplug.testing import make_context
from fcplug_idempotency import Idempotency
from fcplug_idempotency.record import Begun, Claim
from fcplug_idempotency.tablestore_store import TablestoreStore

HERE = Path(__file__).parents[1]
README = (HERE / "README.md").read_text()


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    scripts = Path(sys.executable).parent
    environ = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    (config,) = re.findall(r"```yaml\n# (config/functions.yaml)\n(.*?)```", README, re.DOTALL)
    (code,) = re.findall(r"```python\n# (shop.py)\n(.*?)```", README, re.DOTALL)
    for name, text in (config, code):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (console,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    install, *calls, count = re.findall(r"^\$ (.*)$", console, re.MULTILINE)
    assert install == "pip install './plugins/idempotency[redis]'"
    first, again, refused = (run(tmp_path, call) for call in calls)
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert json.loads(first.stdout)["paid"] is True
    (shown,) = re.findall(r"^\{.*?^\}$", console, re.MULTILINE | re.DOTALL)
    document = json.loads(refused.stdout)
    document.pop("stackTrace", None)
    assert (refused.returncode, document) == (1, json.loads(shown))
    assert run(tmp_path, count).stdout.strip() == console.splitlines()[-1]


def test_the_settings_of_the_readme_are_those_of_the_class() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", README.partition("## Settings")[2], re.MULTILINE)
    assert documented == [each.name for each in dataclasses.fields(Idempotency) if each.init]


def test_the_table_of_the_readme_is_one_that_the_store_can_use(service: Any) -> None:
    (code,) = re.findall(r"```python\n# make_table.py\n(.*?)```", README, re.DOTALL)
    names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    keys = {f"ALIBABA_CLOUD_{name}": key for name, key in zip(names, service.keys, strict=True)}
    endpoint = '"https://shop.cn-hangzhou.ots.aliyuncs.com"'
    assert endpoint in code
    subprocess.run(
        [sys.executable, "-c", code.replace(endpoint, repr(service.endpoint))],
        env={**os.environ, **keys},
        check=True,
    )
    assert service.rows() == {"records": 0, "idempotency": 0}
    url = service.url.replace("/records", "/idempotency")
    claim = Claim("k", "p", "token", lease=1, expiry=1, caller=make_context())
    assert TablestoreStore(url).begin(claim) == Begun()


@pytest.mark.slow
def test_the_wheel_works_with_what_it_asks_for_alone(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(HERE)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("fcplug_idempotency-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "fcplug_idempotency/py.typed" in names
    assert not [name for name in names if name.startswith("tests")]
    target = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    code = (
        "import sys; sys.modules.update(redis=None, tablestore=None)\n"
        "import fcplug_idempotency as found\n"
        "print(found.__file__)\n"
        "found.Idempotency(store='records.db', key='id')\n"
        "for url in ('redis://127.0.0.1', 'tablestore://127.0.0.1/records'):\n"
        "    try: found.Idempotency(store=url)\n"
        "    except ValueError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(target)},
    )  # fmt: skip
    assert done.stdout.startswith(str(target))
    for extra in ("redis", "tablestore"):
        assert f"pip install 'fcplug-idempotency[{extra}]'" in done.stdout
    metadata = next(name for name in names if name.endswith("/METADATA"))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    required = re.findall(r"^Requires-Dist: ([\w-]+)", text, re.MULTILINE)
    imported = {
        found.partition(".")[0]
        for file in (HERE / "fcplug_idempotency").glob("*.py")
        for found in re.findall(r"^ *(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
    }
    third = imported - set(sys.stdlib_module_names) - {"fcplug_idempotency"}
    assert {name.replace("-", "_") for name in required} == third
    extras = {"redis", "certifi", "tablestore", "urllib3"}
    assert third == {"fcplug", "jmespath", "msgspec"} | extras
    optional = re.findall(r"^Requires-Dist: ([\w-]+).*extra ==", text, re.MULTILINE)
    assert set(optional) == extras
