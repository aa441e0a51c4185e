"""The process that answers recorded requests by the functions of one configuration."""

import os
import sys
from typing import NoReturn

import msgspec

from fcplug import protocol
from fcplug.context import Context
from fcplug.errors import FcplugError
from fcplug.platform import headers
from fcplug.recording.record import Answer, Record, body_of, decode
from fcplug.testing import Runner
from fcplug.testing.contexts import headers_of

UNHANDLED = "UnhandledInvocationError"
INITIALIZATION = "InitializationError"


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """What this process sends for each request; first one without an answer, once it is ready."""

    answer: Answer | None = None
    function: str = ""
    plugin: str = ""
    failure: str = ""


def main() -> NoReturn:
    """Answer the requests of standard input, a line each, on standard output."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what functions print must not be taken for an answer

    def send(message: Message) -> None:
        data = msgspec.json.encode(message) + b"\n"
        while data:
            data = data[os.write(answers, data) :]

    try:
        runner = Runner.from_file(sys.argv[1])
    except FcplugError as error:
        send(Message(failure=str(error)))
        os._exit(1)
    send(Message())
    replayer = _Replayer(runner)
    for line in requests:
        send(replayer.answer(decode(line)))
    try:
        runner.close()
    except RuntimeError as error:  # hooks that do not end are no answer
        sys.stderr.write(f"{error}\n")
    sys.stderr.flush()
    os._exit(0)  # without what user code has registered for the end


class _Replayer:
    """Calls the functions as Function Compute does: the initializer comes first."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._initialized: set[str] = set()

    def answer(self, record: Record) -> Message:
        """Return the answer of a request, and who gave it."""
        request = record.request
        context = _context(record)
        web = (request.method, request.target, request.headers, request.content)
        function, plugin = self._runner.answering(
            record.function,
            request.content,
            web=web if request.method else None,
            context=context,
        )
        failed = self._initialize(record, context) if function else None
        if failed is not None:
            return Message(failed, function, plugin)
        answer = self._web(record, context) if request.method else self._event(record, context)
        return Message(answer, function, plugin)

    def _initialize(self, record: Record, context: Context) -> Answer | None:
        if record.function in self._initialized:
            return None
        answer = self._runner.initialize(record.function, context=context)
        if answer.error is not None:
            return Answer(error_type=INITIALIZATION, **body_of(answer.body))
        self._initialized.add(record.function)
        return None

    def _event(self, record: Record, context: Context) -> Answer:
        answer = self._runner.invoke(record.function, record.request.content, context=context)
        return Answer(
            error_type=UNHANDLED if answer.error is not None else "",
            milliseconds=round(answer.duration * 1000, 2),
            **body_of(answer.body),
        )

    def _web(self, record: Record, context: Context) -> Answer:
        request = record.request
        answer = self._runner.http(
            record.function,
            request.method,
            request.target,
            headers=request.headers,
            body=request.content,
            context=context,
        )
        failed = answer.error is not None or answer.headers[protocol.STATUS] not in (None, "200")
        return Answer(
            status=answer.status,
            error_type=UNHANDLED if failed else "",
            milliseconds=round(answer.duration * 1000, 2),
            headers=headers.returned(answer.headers.items()),
            **body_of(answer.body),
        )


def _context(record: Record) -> Context:
    values = headers_of({"function_name": record.function, "qualifier": record.qualifier})
    if record.request_id:
        values[protocol.REQUEST_ID] = record.request_id
    return Context.from_headers(values, {})
