"""Run ``layer.py`` with a code folder's Python, and record its figures."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from codefolder import CodeFolder, config
from family import on_processors
from layer import CASE
from machine import Processors
from samples import Record

_SCRIPT = Path(__file__).parent / "layer.py"


def measure(record: Record, code: CodeFolder, rounds: int, processors: Processors) -> None:
    """Time fcplug's layer; its log lines go to a file, like those of an instance."""
    configured = code.contestant("layer", "in process", config())
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, on_processors(processors.server):
        result = Path(folder) / "result.json"
        environ = {
            **configured.environ,
            "PATH": os.defpath,
            "FC_FUNCTION_NAME": configured.function,
            "PYTHONPATH": f"{code.path / 'python'}:{code.path}",
        }
        with (Path(folder) / "log").open("wb") as out:
            done = subprocess.run(
                [
                    *(str(code.python), str(_SCRIPT)),
                    *(environ["FCPLUG_CONFIG"], str(result), str(rounds)),
                ],
                cwd=code.path,
                env=environ,
                stdout=out,
                stderr=subprocess.PIPE,
                check=False,
                timeout=300,
            )
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace")[-500:]
            record.remark(f"{CASE}: {reason}")
            return
        for name, turn, seconds in json.loads(result.read_text()):
            record.add(CASE, name, turn, seconds=seconds)
