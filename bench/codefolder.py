"""fcplug as it is deployed: a code folder with bootstrap, configurations and ``python/``."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace

from contestants import PEERS, Contestant
from environments import ENVIRONMENTS, ROOT, install, pinned, prepare

FCPLUG = "fcplug"
_STORE = """
import pathlib, sys
from fcplug.config import stored, yaml_strict
file = pathlib.Path(sys.argv[1])
values, places, _ = yaml_strict.read(file.read_text(), lambda value: (value, []))
pathlib.Path(f"{file}{stored.SUFFIX}").write_bytes(stored.encoded(file.read_text(), values, places))
"""
_PACK = """
import compileall, pathlib, py_compile, sys
from fcplug.build import packing
from fcplug.plugins import code_path
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
compileall.compile_dir(sys.argv[1], force=True, quiet=1, invalidation_mode=mode)
packing.pack(pathlib.Path(sys.argv[1], "python"), ("fcplug", *code_path.DEPENDENCIES))
"""


class CodeFolder:
    """A code folder with this tree's fcplug and, if wanted, other packages."""

    def __init__(self, name: str, *packages: str) -> None:
        self.python = prepare("none", ()) / "bin" / "python"
        self.path = ENVIRONMENTS / f"code-{name}"
        shutil.rmtree(self.path, ignore_errors=True)
        (self.path / "config").mkdir(parents=True)
        install(prepare("none", ()), self.path / "python", str(ROOT), *pinned(packages))
        shutil.copy(ROOT / "bootstrap", self.path)
        for module in ("index.py", "passing.py", "hello.py", "flask_hello.py"):
            shutil.copy(PEERS / module, self.path)

    def pack(self) -> None:
        """Compile and pack the code as ``fcplug build`` does."""
        self._run(_PACK, str(self.path))

    def contestant(
        self, name: str, title: str, config: str, environ: Mapping[str, str] | None = None
    ) -> Contestant:
        """Return fcplug with this configuration, started by ``bootstrap``."""
        file = self.path / "config" / f"{name}.yaml"
        file.write_text(config)
        return Contestant(
            name,
            title,
            (str(self.path / "bootstrap"), "--host", "127.0.0.1", "--port", "{port}"),
            environ={
                "FCPLUG_PYTHON": str(self.python),
                "FCPLUG_CONFIG": str(file),
                **(environ or {}),
            },
            folder=self.path,
        )

    def built(self, name: str, title: str, config: str) -> Contestant:
        """Return fcplug with this configuration, stored beside it as ``fcplug build`` does."""
        made = self.contestant(name, title, config)
        self._run(_STORE, made.environ["FCPLUG_CONFIG"])
        return made

    def _run(self, script: str, file: str) -> None:
        subprocess.run(
            [str(self.python), "-c", script, file],
            env={"PATH": os.defpath, "PYTHONPATH": str(self.path / "python")},
            check=True,
            timeout=60,
        )


def config(runtime: str = "", functions: int = 1, middleware: int = 0) -> str:
    """Return a configuration with equal functions; the one in the middle is called."""
    around = f"    middleware: [{', '.join(['passing:Pass'] * middleware)}]\n" if middleware else ""
    entry = f"    handler: index.handle\n{around}"
    names = [f"other-{number:05}" for number in range(functions)]
    names[functions // 2] = "bench"
    head = f"version: 1\nruntime: {{{runtime}}}\n" if runtime else "version: 1\n"
    return f"{head}functions:\n" + "".join(f"  {name}:\n{entry}" for name in names)


def for_all_functions(contestant: Contestant) -> Contestant:
    """Return a contestant that serves all functions, as in a container, not one of FC."""
    return replace(contestant, function="")
