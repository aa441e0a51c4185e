"""The servers that are measured: the command that starts each, and its environment."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

BASE = "falcon-waitress"
NODE = "node"
PEERS = Path(__file__).parent / "peers"
THREADS = 32  # of the servers that have such an option; the default of fcplug


@dataclass(frozen=True)
class Contestant:
    """A server that answers POST /invoke; ``{bin}`` and ``{port}`` in its command are filled in.

    ``packages`` are those of peers/requirements.txt that its environment holds. ``unpinned_only``
    is for servers of several processes, which gain nothing on one processor.
    """

    name: str
    title: str
    command: tuple[str, ...]
    packages: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: Path = PEERS
    function: str = "bench"
    unpinned_only: bool = False

    @property
    def environment(self) -> str:
        """Return the name of its environment; contestants with the same packages share one."""
        return "-".join(self.packages) or "none"


def _python(name: str, title: str, script: str, *packages: str) -> Contestant:
    return Contestant(name, title, ("{bin}/python", script, "{port}"), packages)


_GUNICORN = ("{bin}/gunicorn", "--worker-class", "gthread", "--threads", str(THREADS))
_BIND = ("--bind", "127.0.0.1:{port}", "--keep-alive", "900")
_UVICORN = ("{bin}/uvicorn", "fastapi_app:app", "--port", "{port}", "--no-access-log")
_GRANIAN = ("{bin}/granian", "--interface", "wsgi", "--port", "{port}", "--no-ws")

_PEERS = (
    _python(BASE, "Falcon + waitress (the base)", "falcon_waitress.py", "falcon", "waitress"),
    _python("waitress", "bare waitress", "bare_waitress.py", "falcon", "waitress"),
    _python("flask-dev", "FC's sample (Flask, its own server)", "flask_app.py", "Flask"),
    _python("flask-waitress", "Flask + waitress", "flask_waitress.py", "Flask", "waitress"),
    Contestant(
        "functions-framework",
        "functions-framework",
        (
            *("{bin}/functions-framework", "--target", "handle"),
            *("--source", "framework_function.py", "--host", "127.0.0.1", "--port", "{port}"),
        ),
        ("functions-framework",),
    ),
    Contestant(
        "gunicorn",
        "Falcon + gunicorn (gthread)",
        (*_GUNICORN, *_BIND, "falcon_app:app"),
        ("falcon", "gunicorn"),
    ),
    Contestant("fastapi", "FastAPI + uvicorn", _UVICORN, ("fastapi", "uvicorn[standard]")),
    Contestant(
        "granian",
        "Falcon + granian (WSGI)",
        (*_GRANIAN, "--workers", "1", "falcon_app:app"),
        ("falcon", "granian"),
    ),
    Contestant(NODE, "node http", ("node", "node_http.js", "{port}")),
)


def peers() -> list[Contestant]:
    """Return all contestants except fcplug that can run on this machine."""
    return [peer for peer in _PEERS if peer.name != NODE or shutil.which(NODE)]


def echoing(contestant: Contestant) -> Contestant:
    """Return the contestant, configured to answer with the event."""
    return replace(contestant, environ={**contestant.environ, "BENCH_ECHO": "1"})
