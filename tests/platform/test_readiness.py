"""FC's health checks by HTTP: before the first call, and as long as an instance lives."""

import sys
from pathlib import Path
from textwrap import dedent

from fcplug.platform.emulator import Emulator
from fcplug.platform.model import FunctionConfig, HealthCheck
from support.platforms import event
from support.waiting import wait_until

RUNTIME = """
    import http.server, os

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            with open("checks", "ab") as file:
                file.write(b".")
            healthy = os.path.getsize("checks") > SICK and not os.path.exists("sick")
            self.answer(204 if healthy else 503)

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(200)

        def answer(self, status):
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    port = int(os.environ["FC_SERVER_PORT"])
    http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""


def function(folder: Path, sick: int, **check: float) -> FunctionConfig:
    """Return a function whose first ``sick`` health checks fail."""
    (folder / "runtime.py").write_text(dedent(RUNTIME).replace("SICK", str(sick)), "utf-8")
    values = {"period": 0.02, "timeout": 30.0, **check}
    return FunctionConfig(
        name="f",
        folder=folder,
        command=(sys.executable, "runtime.py"),
        health_check=HealthCheck(path="/healthz", **values),  # type: ignore[arg-type]
    )


def steps(platform: Emulator) -> list[str]:
    return [text for instance in platform.instances() for _, text in instance.steps]


def test_a_call_waits_until_the_instance_is_healthy(tmp_path: Path) -> None:
    with Emulator([function(tmp_path, sick=2, success_threshold=2)]) as platform:
        assert platform.invoke(event()).succeeded
        assert steps(platform).count("health check failed: status 503") == 2
        assert "healthy: GET /healthz" in steps(platform)


def test_an_instance_that_does_not_become_healthy_cannot_be_started(tmp_path: Path) -> None:
    with Emulator([function(tmp_path, sick=1000)]) as platform:
        outcome = platform.invoke(event())
        assert (outcome.status, outcome.code) == (412, "FunctionNotStarted")
        assert outcome.message.startswith("Function instance health check failed on port ")
        assert "(GET /healthz: status 503)" in outcome.message
        assert (tmp_path / "checks").read_bytes() == b"..."


def test_an_instance_that_becomes_unhealthy_gets_no_more_calls(tmp_path: Path) -> None:
    with Emulator([function(tmp_path, sick=0)]) as platform:
        first = platform.invoke(event())
        (tmp_path / "sick").touch()
        wait_until(lambda: "unhealthy: it gets no more calls" in steps(platform))
        (tmp_path / "sick").unlink()
        second = platform.invoke(event())
        assert second.succeeded
        assert second.instance_id != first.instance_id
