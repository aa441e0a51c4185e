import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from fcplug import logs
from fcplug.context import Context
from fcplug.protocol import Phase

Called = Callable[..., Context]


class Kept:
    """What was delivered, and what redirects to it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.output = logs.Capture(lambda text: self.lines.extend(text.splitlines()))
        self.redirection = logs.Redirection(self.output, "text", "INFO")


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    yield kept
    kept.output.close()


def test_lines_records_and_prints_are_delivered_in_order(kept: Kept, called: Called) -> None:
    with kept.redirection, logs.PhaseLines(Phase.INVOKE, called("f", request_id="1-2")):
        print("printed")
        logging.getLogger("mine").info("logged")
        sys.stderr.write("half")
    assert [line.rpartition("Z ")[2] for line in kept.lines] == [
        "FC Invoke Start RequestId: 1-2",
        "printed",
        "1-2 [INFO] logged",
        "half",
        "FC Invoke End RequestId: 1-2",
    ]


def test_nothing_is_left_when_it_ends(kept: Kept) -> None:
    root = logging.getLogger()
    before = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__, [*root.handlers], root.level
    kinds = {name: type(logging.getLogger(name)) for name in ("fcplug", "fcplug.server")}
    with kept.redirection:
        root.addHandler(logging.NullHandler())
        root.setLevel("ERROR")
        sys.stdout = sys.stderr
    after = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__, [*root.handlers], root.level
    assert after == before
    assert {name: type(logging.getLogger(name)) for name in kinds} == kinds
    assert "output_handler" not in vars(logging.getLogger("fcplug"))


def test_what_user_code_configured_is_there_the_next_time(kept: Kept) -> None:
    mine = logging.NullHandler()
    with kept.redirection:
        logging.getLogger().addHandler(mine)
        logging.getLogger().setLevel("ERROR")
        sys.stdout = sys.stderr
    with kept.redirection:
        assert mine in logging.getLogger().handlers
        assert logging.getLogger().level == logging.ERROR
        assert sys.stdout is sys.stderr


def test_handlers_of_others_get_the_records_as_well_and_are_not_closed(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    with kept.redirection:
        logging.warning("for all")
        logging.basicConfig(force=True)  # user code may remove and close what is there
    logging.warning("after")
    assert [record.message for record in caplog.records] == ["for all", "after"]
    assert kept.lines[0].endswith("[WARNING] for all")


def test_one_redirection_may_be_inside_a_call_of_another_only(kept: Kept, called: Called) -> None:
    other = Kept()
    with kept.redirection:
        with pytest.raises(RuntimeError, match="redirected already"), other.redirection:
            pass
        with logs.PhaseLines(Phase.INVOKE, called("f")):
            print("outer")
            with other.redirection:
                print("inner")
            print("outer again")
    other.output.close()
    assert (kept.lines[1:-1], other.lines) == (["outer", "outer again"], ["inner"])


def test_a_stream_that_somebody_kept_writes_to_nobody_afterwards() -> None:
    kept = Kept()
    with kept.redirection:
        stream = sys.stdout
    kept.output.close()
    reader, writer = os.pipe()  # it may have the number of the descriptor that was closed
    stream.write("late\n")
    os.close(writer)
    assert os.read(reader, 10) == b""
    os.close(reader)
    assert kept.lines == []


def test_threads_do_not_share_a_line(kept: Kept) -> None:
    with kept.redirection:
        sys.stdout.write("mine ")
        thread = threading.Thread(target=print, args=("theirs",))
        thread.start()
        thread.join()
        sys.stdout.write("too\n")
    assert kept.lines == ["theirs", "mine too"]


def test_a_forked_child_writes_to_standard_output(
    kept: Kept, capfd: pytest.CaptureFixture[str]
) -> None:
    output = logs.Capture(lambda _: None)
    redirection = logs.Redirection(output, "text", "INFO")
    with redirection:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                print("from the child")
            os._exit(0)
        os.waitpid(child, 0)
    output.close()
    assert capfd.readouterr().out == "from the child\n"
