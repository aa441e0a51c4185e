"""A ConfigMap mounted as a folder: a running instance takes over what Kubernetes puts there."""

import json
import os
from pathlib import Path

import yaml

from fcplug.config import loader
from fcplug.manifests import applications, kubernetes
from fcplug.manifests.pod import Order
from fcplug.manifests.scaling import Pods
from support.deployed import deploy, start
from support.waiting import wait_until

CODE = """\
from dataclasses import dataclass
from fcplug import hookimpl

@dataclass
class Greeter:
    greeting: str
    @hookimpl
    def invoke(self, event): return self.greeting
"""


def config(greeting: str) -> str:
    settings = json.dumps({"greeting": greeting})
    return (
        f"version: 1\nfunctions:\n  hello: {{handler: 'greeter:Greeter', settings: {settings}}}\n"
    )


def manifest(text: str) -> str:
    loaded = loader.parse(text, "functions.yaml", {})
    order = Order("shop", "shop:1", "", Pods(1, 2), ())
    return kubernetes.text(loaded, applications.of_all(loaded, text, "shop"), order)


class Mount:
    """The folder of a mounted ConfigMap, which the kubelet swaps by one link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def put(self, made: str) -> None:
        """Put the data of a ConfigMap there, as the kubelet does: new files, then one rename."""
        (data,) = [each["data"] for each in yaml.safe_load_all(made) if each["kind"] == "ConfigMap"]
        self._count += 1
        new = self._folder / f"..2026_01_31_{self._count}"
        new.mkdir(parents=True)
        for name, text in data.items():
            (new / name).write_text(text)
            if not (self._folder / name).is_symlink():
                (self._folder / name).symlink_to(Path("..data") / name)
        temporary = self._folder / "..data_tmp"
        temporary.symlink_to(new.name)
        old = self._folder / "..data"
        before = os.readlink(old) if old.is_symlink() else ""
        temporary.rename(old)
        if before:
            for file in (self._folder / before).iterdir():
                file.unlink()
            (self._folder / before).rmdir()


def test_an_instance_takes_over_each_swap_of_a_mounted_config_map(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "etc")
    mount.put(manifest(config("one")))
    folder = deploy(tmp_path / "code", "version: 1\nfunctions: {}\n", {"greeter.py": CODE})
    environ = {"FCPLUG_CONFIG": str(tmp_path / "etc" / "functions.yaml")}
    with start(folder, environ=environ) as instance:
        assert instance.invoke("hello").body == b"one"
        for greeting in ("two", "three: \u00fc"):
            mount.put(manifest(config(greeting)))
            wait_until(lambda: instance.invoke("hello").body == greeting.encode())  # noqa: B023
        mount.put(manifest(config("four")).replace("greeting", "greting"))

        def still_greets() -> bool:
            return instance.invoke("hello").body == "three: \u00fc".encode()

        wait_until(lambda: still_greets() and "the edit is rejected" in instance.log)
        assert still_greets()
