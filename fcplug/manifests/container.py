"""A Containerfile that runs the package of ``fcplug build``, and what its builder may see."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fcplug.manifests import seal
from fcplug.manifests.image import Image

FILE = "Containerfile"
IGNORE_FILE = ".dockerignore"
PORT = 9000
USER = 10001
_PATH = re.compile(r"(?!/)[A-Za-z0-9_.@+=-]+(/[A-Za-z0-9_.@+=-]+)*")


class Order(NamedTuple):
    """What is asked for.

    Attributes:
        name: of the project.
        code: the package, a path in the folder of the Containerfile.
        image: the image that the package is built for; it says which Python runs it.
        health_path: what answers health checks, None for nothing.
        arguments: of the command that makes this again.
    """

    name: str
    code: str
    image: Image
    health_path: str | None
    arguments: Sequence[str]


def check_code(path: str) -> str:
    """Return what is wrong with the path of a package, empty if nothing is."""
    if not _PATH.fullmatch(path.removeprefix("./")) or ".." in path.split("/"):
        return f"{path!r} must be a path below the folder of the {FILE}, of letters and digits"
    return ""


def containerfile(order: Order) -> str:
    """Return the Containerfile."""
    title = (
        "Runs the package of fcplug build in a container: not as root, and where only /tmp can be\n"
        "written. Build it so (buildah and podman keep the health check with --format docker):\n"
        f"  docker build -t {order.name} --build-arg VERSION=1.0 -f {FILE} ."
    )
    return seal.sealed(title, order.arguments, "\n" + "\n".join(_lines(order)) + "\n")


def ignore_file(order: Order) -> str:
    """Return what keeps everything but the package from the builder."""
    code = order.code.removeprefix("./")
    title = "Only the package goes to the builder: no sources, secrets or caches."
    return seal.sealed(title, order.arguments, f"\n*\n!{code}\n")


def _lines(order: Order) -> Iterator[str]:
    version = order.image.version
    yield f"# Any image with Python {version}, as {order.image.name} has it; pin it by its digest."
    yield f"ARG BASE=docker.io/library/python:{version}-slim-bookworm"
    yield ""
    yield "FROM ${BASE} AS package"
    yield f"COPY {order.code.removeprefix('./')} /package.zip"
    wanted = version.replace(".", ", ")
    check = (
        f"import sys; sys.version_info[:2] == ({wanted}) or "
        f"sys.exit('the package is for Python {version}: give another BASE')"
    )
    yield f"RUN {json.dumps(['python3', '-c', check])}"
    yield "# the archive's own run bits are lost here; nothing in it may be changed at run time"
    yield "RUN python3 -m zipfile -e /package.zip /code \\"
    yield "    && chmod -R u=rwX,go=rX /code \\"
    yield "    && chmod 755 /code/bootstrap"
    yield ""
    yield "FROM ${BASE}"
    yield 'ARG VERSION="0"'
    yield 'ARG REVISION=""'
    yield f"LABEL org.opencontainers.image.title={json.dumps(order.name)} \\"
    yield '      org.opencontainers.image.version="${VERSION}" \\'
    yield '      org.opencontainers.image.revision="${REVISION}"'
    yield "COPY --from=package /code /code"
    yield "WORKDIR /code"
    yield "# no home but /tmp, and no bytecode beside code that nobody may write"
    yield "ENV HOME=/tmp \\"
    yield "    PYTHONDONTWRITEBYTECODE=1"
    yield "# a number, so that Kubernetes can see that it is not root"
    yield f"USER {USER}:{USER}"
    yield f"EXPOSE {PORT}"
    yield "STOPSIGNAL SIGTERM"
    yield "HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \\"
    yield f"    CMD {json.dumps(['python3', '-I', '-S', '-c', _check(order.health_path)])}"
    yield 'ENTRYPOINT ["/code/bootstrap"]'


def _check(path: str | None) -> str:
    """Return what a health check runs: a request, or a connection where no path answers."""
    if path is None:
        return f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 2).close()"
    return (
        f"import http.client; c = http.client.HTTPConnection('127.0.0.1', {PORT}, timeout=2); "
        f"c.request('GET', {path!a}); raise SystemExit(c.getresponse().status != 200)"
    )
