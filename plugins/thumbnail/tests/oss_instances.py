"""A real instance of the runtime, which ``bootstrap`` starts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from local_oss import Account

BOOTSTRAP = Path(__file__).parents[3] / "bootstrap"
PATIENCE = 60.0  # seconds for what is expected to come; a slow machine may need many


class Instance:
    """A running instance, its port and its log."""

    def __init__(self, folder: Path, config: str) -> None:
        (folder / "functions.yaml").write_text(config)
        self._log = folder / "instance.log"
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FC_", "FCPLUG_", "ALIBABA_"))
        }
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(BOOTSTRAP), "--port", "0", "--config", str(folder / "functions.yaml")],
                cwd=folder,
                env={**environ, "FCPLUG_PYTHON": sys.executable, "FC_REGION": "cn-hangzhou"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + PATIENCE
        while not (found := re.search(r"on port (\d+) ", self.log)):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.02)
        self.port = found[1]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def call(self, function: str, account: Account, sent: bytes) -> dict[str, Any]:
        """Return the document of an answer."""
        headers = {
            "x-fc-function-name": function,
            "x-fc-access-key-id": account.key_id,
            "x-fc-access-key-secret": account.secret,
            "x-fc-security-token": account.token,
            "x-fc-function-timeout": "60",
        }
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/invoke", sent, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                document: dict[str, Any] = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                document = json.loads(error.read())
        return document

    def stop(self) -> int:
        """End it as FC does, and return its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)
