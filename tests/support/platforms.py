"""Functions for the local platform: one runtime that has nothing of fcplug, and fcplug's own."""

import sys
from pathlib import Path
from typing import Any

from fcplug.platform.headers import new_request_id
from fcplug.platform.model import Call, FunctionConfig
from support.deployed import deploy

STRANGER = f"""\
#!{sys.executable}
import http.server, json, os, signal, sys, time

class Runtime(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, request_id = self.headers["x-fc-control-path"], self.headers["x-fc-request-id"]
        print(f"{{self.command}} {{path}} {{request_id}}", flush=True)
        command, _, text = body.decode("latin-1").partition(" ")
        status, headers = 200, {{}}
        if path == "/http-invoke" or command == "show":
            shown = dict(method=self.command, target=self.path, headers=self.headers.items())
            body = json.dumps(shown | dict(pid=os.getpid(), body=body.decode("latin-1"))).encode()
            headers = {{"X-Mine": "1", "x-fc-mine": "1", "Content-Type": "application/json"}}
        elif path in ("/invoke", os.environ.get("FAIL")):
            exec(text)
            if command == "fail" or path != "/invoke":
                status, headers, body = 404, {{"x-fc-status": "404"}}, b'{{"errorMessage": "no"}}'
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = answer
    log_message = lambda *_: None

exec(os.environ.get("BEFORE", ""))
port = int(os.environ["FC_CUSTOM_LISTEN_PORT"])
http.server.ThreadingHTTPServer((os.environ.get("HOST", "0.0.0.0"), port), Runtime).serve_forever()
"""

FCPLUG_CONFIG = """\
version: 1
functions:
  hello: {handler: index.handle}
"""
FCPLUG_CODE = """\
from fcplug import hookimpl
import logging

class Handler:
    def __init__(self):
        self.initialized = []

    @hookimpl
    def initialize(self, context):
        self.initialized.append(context.request_id)

    @hookimpl
    def invoke(self, event, context):
        if event == b"fail":
            raise ValueError("no")
        logging.getLogger().warning("said %s", event.decode())
        return {"initialized": self.initialized, "id": context.request_id}

    @hookimpl
    def pre_stop(self, context):
        print("pre-stop ran", flush=True)
"""


def stranger(folder: Path, **settings: Any) -> FunctionConfig:
    """Return a function whose runtime is 40 lines over http.server."""
    bootstrap = folder / "bootstrap"
    bootstrap.write_text(STRANGER)
    bootstrap.chmod(0o755)
    return FunctionConfig(**{"name": "f", "folder": folder, "timeout": 300, **settings})


def fcplug_function(folder: Path, **settings: Any) -> FunctionConfig:
    """Return a function of fcplug's own runtime, started by its bootstrap."""
    config = FCPLUG_CONFIG.replace("index.handle", "index:Handler")
    deploy(folder, config, {"index.py": FCPLUG_CODE})
    environment = {"FCPLUG_PYTHON": sys.executable}
    settings = {"name": "hello", "timeout": 300, "environment": environment, **settings}
    return FunctionConfig(folder=folder, **settings)


def event(payload: bytes = b"", function: str = "f", **more: Any) -> Call:
    """Return a call with an event."""
    return Call(function=function, request_id=new_request_id(), payload=payload, **more)
