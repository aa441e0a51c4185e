"""``fcplug invoke``: one function called, in this process or where it runs already."""

import base64
import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import click

from fcplug import logs, protocol
from fcplug.errors import UnknownFunction, did_you_mean
from fcplug.tools import (
    dev_folder,
    event_input,
    exit_code,
    header_option,
    latency,
    latency_report,
)
from fcplug.tools.answer_output import AnswerOutput
from fcplug.tools.call_target import Answer, Local, OnPlatform, Remote, Target
from fcplug.tools.command import Command
from fcplug.tools.latency import Measured

_MOST_AT_ONCE = 512


class _Request(NamedTuple):
    """What to call, and how."""

    name: str
    event: bytes
    repeat: int
    concurrency: int
    as_json: bool


@click.command(
    "invoke",
    cls=Command,
    examples=(
        "fcplug invoke hello --event Ada",
        "fcplug invoke thumbnails --event @photo.jpg > small.jpg",
        "fcplug events oss --key a.jpg | fcplug invoke thumbnails --event -",
        "fcplug invoke hello --repeat 1000 --concurrency 8",
        "fcplug invoke hello --url http://localhost:9000",
    ),
)
@click.argument("name")
@click.option(
    "--event",
    metavar="TEXT|@FILE|-",
    help="The event: a text such as JSON, @ and a file, or - for standard input.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Call it N times, print the first answer, and show how long the calls took.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, _MOST_AT_ONCE),
    default=1,
    metavar="C",
    help="With --repeat: the most calls at once.",
)
@click.option("--config", metavar="FILE", help="The configuration, if not config/functions.yaml.")
@click.option("--url", help="Call a running instance, such as http://localhost:9000.")
@click.option("--here", is_flag=True, help="Call it in this process, also if fcplug dev runs.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="K:V",
    help=f"A header of the call, such as '{protocol.QUALIFIER}: prod'; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer and its facts as JSON.")
def command(name: str, headers: tuple[str, ...], **options: Any) -> int:
    """Call a function and print its answer.

    The call goes through the whole runtime in this process: hooks, middleware, settings, time
    limit and workers, but no server. Standard output gets the answer, byte for byte, or the error
    document of a function that fails; the log goes to standard error. Without --event the event is
    empty.

    If 'fcplug dev' runs in this folder, it gets the call instead, unless --here, --config or
    --header is given.

    Exit codes: 0 the function answered, 1 it failed or gave no answer, 2 wrong usage.
    """
    url, config, here = options["url"], options["config"], options["here"]
    if url and config:
        raise click.UsageError("--url calls an instance, which has its own configuration")
    if url and here:
        raise click.UsageError("--here and --url exclude each other")
    if options["concurrency"] > 1 and options["repeat"] == 1:
        raise click.UsageError("--concurrency needs --repeat")
    called = {protocol.FUNCTION_NAME: name, **_parsed(headers, any_name=url is not None)}
    remote = Remote(url, called) if url else None
    running = None if url or config or here or headers else dev_folder.find_here()
    event = event_input.read(options["event"])
    request = _Request(name, event, options["repeat"], options["concurrency"], options["as_json"])
    output = AnswerOutput()

    def make() -> Target:
        if running is not None:
            output.terminal.print(f"called at {running.url}: fcplug dev runs", style="dim")
            return OnPlatform(running, name)
        return remote or Local(config, called, dict(os.environ))

    code = exit_code.of(lambda: _run(make, request, output))
    logs.finish()
    os._exit(code)  # no thread that a function has left behind is waited for


def _parsed(headers: Iterable[str], *, any_name: bool) -> Mapping[str, str]:
    """Return headers by their lower-case names; without a server only FC's own reach a function."""
    parsed = header_option.parsed(headers)
    known = (*protocol.CONTEXT_HEADERS, *protocol.TRACE_HEADERS)
    for name in parsed:
        if not any_name and name not in known:
            raise click.UsageError(
                f"no function sees the header '{name}'"
                f"{did_you_mean(name, known)}: use --url to send any header"
            )
    return parsed


def _run(make: Callable[[], Target], request: _Request, output: AnswerOutput) -> int:
    """Make the calls, print what came of them, and return the exit code."""
    target = make()
    try:
        answer = latency.once(lambda: target.call(request.event))
        if not request.as_json:
            output.write(answer.body)
        measured = None
        if request.repeat > 1:
            measured = _measure(target, request, output)
        if request.as_json:
            document = json.dumps(_document(request, answer, measured), indent=2)
            output.write(f"{document}\n".encode())
        elif measured:
            latency_report.show(answer, measured, output)
    except UnknownFunction:  # the log has said so
        return exit_code.USAGE
    finally:
        target.close()
    failed = answer.failed or (measured is not None and measured.failed > 0)
    return exit_code.PROBLEM if failed else exit_code.FINE


def _measure(target: Target, request: _Request, output: AnswerOutput) -> Measured:
    with output.log_left_out(), latency_report.progress(request.repeat - 1, output) as advance:
        return latency.measure(
            lambda: target.call(request.event), request.repeat - 1, request.concurrency, advance
        )


def _document(request: _Request, answer: Answer, measured: Measured | None) -> dict[str, Any]:
    try:
        body, is_base64 = answer.body.decode(), False
    except UnicodeDecodeError:
        body, is_base64 = base64.b64encode(answer.body).decode(), True
    document: dict[str, Any] = {
        "function": request.name,
        "failed": answer.failed,
        "milliseconds": round(answer.seconds * 1000, 3),
        "body": body,
        "isBase64Encoded": is_base64,
    }
    if measured:
        document["repeated"] = {
            "calls": measured.calls,
            "failed": measured.failed,
            "concurrency": measured.concurrency,
            "seconds": round(measured.seconds, 3),
            "callsPerSecond": round(measured.calls / measured.seconds, 1),
            "milliseconds": measured.milliseconds(),
        }
    return document
