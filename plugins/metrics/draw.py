"""Draw the dashboard as Grafana would, from a real server under load: ``python draw.py FILE.png``.

It starts an instance with three functions, calls them for a minute, lets a real Prometheus scrape
the page and answer every query of the dashboard, and draws the answers. It needs the program
``prometheus``, and matplotlib.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SECONDS = 75.0
_HERE = Path(__file__).parent
_CODE = """
import random, time

def hello(event):
    time.sleep(random.uniform(0.002, 0.02))
    return event

def report(event):
    time.sleep(random.uniform(0.05, 0.3))
    return event

def flaky(event):
    time.sleep(random.uniform(0.01, 0.05))
    if random.random() < 0.2:
        raise ValueError("no luck")
    if random.random() < 0.05:
        raise KeyError("missing")
    return event
"""
_CONFIG = """
version: 1
runtime: {processes: 2, observers: [metrics]}
functions:
  hello: {handler: "app:hello"}
  report: {handler: "app:report", concurrency: 3, queue: 3}
  flaky: {handler: "app:flaky", timeout: 10}
"""


def post(port: int, function: str) -> None:
    """Call a function; a failure is an answer, too."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invoke", b"x", {"x-fc-function-name": function}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()


def load(port: int, until: float) -> None:
    """Call the functions until a moment, more of them in the middle."""
    begun = time.monotonic()

    def worker(function: str, pause: Callable[[float], float]) -> None:
        while (now := time.monotonic()) < until:
            post(port, function)
            time.sleep(pause((now - begun) / _SECONDS))

    def wave(least: float) -> Callable[[float], float]:
        return lambda at: least * (1 + 6 * (1 - math.sin(math.pi * at)) * random.random())  # noqa: S311

    plan = [("hello", 0.03)] * 3 + [("report", 0.02)] * 8 + [("flaky", 0.05)] * 2
    threads = [threading.Thread(target=worker, args=(name, wave(least))) for name, least in plan]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def running(command: list[str], folder: Path, name: str) -> Iterator[Path]:
    """Run a program; yield the path of its log."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)  # noqa: S603
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(log: Path, words: str) -> str:
    """Return a log once it has some words."""
    for _ in range(600):
        if words in (text := log.read_text("utf-8")):
            return text
        time.sleep(0.1)
    raise SystemExit(f"no {words!r} in {log}:\n{log.read_text()}")


def answers(prometheus: int, expression: str, begun: float) -> list[dict[str, Any]]:
    """Return the series of a query, with Grafana's variables filled in."""
    query = expression.replace("$__rate_interval", "10s").replace("$function", ".*")
    asked = {"query": query, "start": begun, "end": time.time(), "step": 1}
    url = f"http://127.0.0.1:{prometheus}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def legend(shape: str, labels: dict[str, str]) -> str:
    """Return the name of a series, as its panel shapes it."""
    for name, value in labels.items():
        shape = shape.replace(f"{{{{{name}}}}}", value)
    return shape


def draw(dashboard: dict[str, Any], ask: Callable[[str], list[dict[str, Any]]], file: str) -> None:
    """Draw all panels in their places."""
    import matplotlib as mpl  # noqa: PLC0415 - only where it draws

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    panels = dashboard["panels"]
    height = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels)
    figure = plt.figure(figsize=(16, height * 0.42))
    grid = figure.add_gridspec(height, 24, hspace=0, wspace=0)
    for panel in panels:
        place = panel["gridPos"]
        across = slice(place["x"] + 1, place["x"] + place["w"])  # room for the numbers, and
        down = slice(place["y"] + 1, place["y"] + place["h"] - 1)  # for the title and the legend
        axis = figure.add_subplot(grid[down, across])
        count = draw_panel(axis, panel, ask)
        print(f"{panel['title']}: {count} series")  # noqa: T201
    figure.savefig(file, dpi=75, bbox_inches="tight")


def draw_panel(axis: Any, panel: dict[str, Any], ask: Callable[[str], list[dict[str, Any]]]) -> int:
    """Draw one panel; return how many series it has."""
    config = panel["fieldConfig"]["defaults"]
    stacked = config["custom"]["stacking"]["mode"] == "normal"
    drawn: list[tuple[str, dict[float, float]]] = []
    for target in panel["targets"]:
        for series in ask(target["expr"]):
            points = {at: float(value) for at, value in series["values"]}
            drawn.append((legend(target["legendFormat"], series["metric"]), points))
    moments = sorted({at for _, points in drawn for at in points})
    first = moments[0] if moments else 0
    across = [at - first for at in moments]
    scale = 100 if config["unit"] == "percentunit" else 1
    rows = [[points.get(at, math.nan) * scale for at in moments] for _, points in drawn]
    names = [name for name, _ in drawn]
    if stacked and rows:
        filled = [[0.0 if math.isnan(value) else value for value in row] for row in rows]
        axis.stackplot(across, filled, labels=names, alpha=0.6)
    else:
        for name, row in zip(names, rows, strict=True):
            axis.plot(across, row, label=name)
    unit = {"reqps": "per second", "percentunit": "%", "s": "seconds"}.get(config["unit"], "")
    axis.set_title(panel["title"], loc="left", fontsize=11, fontweight="bold")
    axis.set_ylabel(unit, fontsize=8)
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
    axis.tick_params(labelsize=8)
    if names:
        axis.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.06), ncol=4, fontsize=7, frameon=False
        )
    return len(names)


def main(file: str) -> None:
    """Run it all."""
    dashboard = json.loads((_HERE / "fcplug_metrics" / "dashboard.json").read_text())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "app.py").write_text(_CODE)
        (folder / "functions.yaml").write_text(_CONFIG)
        serve = [sys.executable, "-m", "fcplug", "serve", "--port", "0", "--host", "127.0.0.1"]
        serve += ["--config", "functions.yaml"]
        with running(serve, folder, "fcplug") as log:
            port = int(wait_for(log, "try: ").partition("on port ")[2].split()[0])
            target = {"job_name": "fcplug", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [target]}
            (folder / "prometheus.yml").write_text(json.dumps(config))
            with socket_free() as prometheus:
                command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
                command.append(f"--web.listen-address=127.0.0.1:{prometheus}")
            with running(command, folder, "prometheus") as said:
                wait_for(said, "ready to receive web requests")
                begun = time.time()
                load(port, time.monotonic() + _SECONDS)
                time.sleep(3)
                draw(dashboard, lambda query: answers(prometheus, query, begun), os.fspath(file))


@contextmanager
def socket_free() -> Iterator[int]:
    """Yield a port that is free once the block has ended."""
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


if __name__ == "__main__":
    main(sys.argv[1])
