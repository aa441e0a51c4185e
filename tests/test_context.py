"""The context of one call: its id, its time, its trace, its logger."""

import base64
import logging
import math
import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from fcplug.context import Context, current


def context(headers: dict[str, str] | None = None, **environ: str) -> Context:
    return Context.from_headers(headers or {}, environ)


@pytest.mark.parametrize(
    "sent",
    ["r", "A.b_c:d-e", "x" * 128, "df8dda55-f0df-4071-80d1-378efdef11bc"],
    ids=["short", "signs", "longest", "uuid"],
)
def test_a_request_id_that_can_stand_in_a_log_line_is_kept(sent: str) -> None:
    assert context({"x-fc-request-id": sent}).request_id == sent


@pytest.mark.parametrize(
    "sent",
    ["", "x" * 129, "a\nb", "a\n", "a\x85b", "a b", "a\x1b[31m", "ü", "a/b", "a\x00"],
    ids=ascii,
)
def test_any_other_request_id_is_replaced_by_a_new_one(sent: str) -> None:
    made = [context({"x-fc-request-id": sent}).request_id for _ in range(2)]
    assert made[0] != made[1]
    assert {uuid.UUID(text).version for text in made} == {4}


@pytest.mark.parametrize(
    ("sent", "own", "limit"),
    [
        ({}, None, None),
        ({"x-fc-function-timeout": "60"}, None, 60),
        ({"x-fc-function-timeout": "60"}, 0.5, 0.5),
        ({"x-fc-function-timeout": "60"}, 90.0, 60),
        ({}, 90.0, 90),
        ({"x-fc-function-timeout": "0"}, None, None),
    ],
    ids=["none", "fc", "own-is-sooner", "fc-is-sooner", "own", "zero-is-no-limit"],
)
def test_the_deadline_is_the_sooner_of_both_limits(
    sent: dict[str, str], own: float | None, limit: float | None
) -> None:
    before = time.monotonic()
    called = context(sent).for_function({}, own)
    after = time.monotonic()
    if limit is None:
        assert called.deadline is None
        assert called.remaining_time() == math.inf
    else:
        assert called.deadline is not None
        assert before + limit <= called.deadline <= after + limit
        assert 0 <= called.remaining_time() <= limit


def test_no_time_is_left_after_the_deadline_and_never_less() -> None:
    called = context().for_function({}, 1e-9)
    assert called.deadline is not None
    while time.monotonic() <= called.deadline:
        pass
    assert called.remaining_time() == 0.0


def test_the_deadline_counts_from_the_arrival_of_the_call() -> None:
    call = context({"x-fc-function-timeout": "60"})
    assert call.for_function({}, None).deadline == call.deadline


def test_a_function_sees_its_own_settings_under_the_same_identity() -> None:
    call = context({"x-fc-request-id": "r-1", "x-fc-access-key-id": "id"}, FC_REGION="cn-beijing")
    own = call.for_function({"width": 640}, 7.0)
    assert dict(own.settings) == {"width": 640}
    assert dict(call.settings) == {}
    assert own.to_headers() == call.to_headers()
    assert (own.request_id, own.region, own.credentials) == ("r-1", "cn-beijing", call.credentials)
    assert context().for_function({}, 7.0).function.timeout == 7


@pytest.mark.parametrize(
    "text",
    [
        "%%%",
        "ü",
        "YQ",
        base64.b64encode(b"[1]").decode(),
        base64.b64encode(b'"text"').decode(),
        base64.b64encode(b"{").decode(),
        base64.b64encode(b"\xff\xfe{").decode(),
        base64.b64encode(b'{"a":' + b"9" * 5000 + b"}").decode(),
        base64.b64encode(b'{"a":' * 100_000).decode(),
    ],
    ids=[
        "no-base64",
        "no-ascii",
        "cut",
        "a-list",
        "text",
        "no-json",
        "no-unicode",
        "a-huge-number",
        "a-bomb",
    ],
)
def test_baggages_that_cannot_be_read_are_none(text: str) -> None:  # checklist 77
    assert context({"x-fc-tracing-opentracing-span-baggages": text}).tracing.span_baggages == {}


class Kept(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Iterator[Kept]:
    root, kept, level = logging.getLogger(), Kept(), logging.getLogger().level
    root.addHandler(kept)
    root.setLevel(logging.INFO)
    yield kept
    root.removeHandler(kept)
    root.setLevel(level)


def test_the_records_of_a_call_carry_it_on_any_thread(kept: Kept) -> None:  # checklist 60
    calls = [context({"x-fc-request-id": f"r-{number}"}) for number in range(20)]
    threads = [
        threading.Thread(target=call.logger.info, args=("from %s", call.request_id))
        for call in calls
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept.records) == len(calls)
    for record in kept.records:
        carried = vars(record)["fc_context"]
        assert record.getMessage() == f"from {carried.request_id}"
        assert carried in calls


def test_a_level_changed_during_a_call_counts_at_once(kept: Kept) -> None:
    logger = context().logger
    logger.debug("below the level")
    logging.getLogger().setLevel(logging.DEBUG)
    logger.debug("at the level")
    logging.disable(logging.DEBUG)
    try:
        logger.debug("disabled")
    finally:
        logging.disable(logging.NOTSET)
    assert [record.getMessage() for record in kept.records] == ["at the level"]


def test_no_call_is_current_outside_of_one() -> None:
    assert current.get() is None


def test_a_made_request_id_is_one_that_would_be_accepted() -> None:
    made = context().request_id
    assert context({"x-fc-request-id": made}).request_id == made


def test_a_call_that_names_no_function_has_the_name_of_the_one_that_answers() -> None:
    assert context().for_function({}, None, "hello").function.name == "hello"
    named = context({"x-fc-function-name": "img-1"}).for_function({}, None, "hello")
    assert named.function.name == "img-1"


def test_a_function_knows_its_name_in_the_file_beside_the_one_of_fc() -> None:
    own = context({"x-fc-function-name": "shop"}).for_function({}, None, "shop-v2")
    assert (own.function.name, own.entry) == ("shop", "shop-v2")
    assert context().entry == ""


def test_the_headers_of_a_trace_go_with_a_context_to_a_worker() -> None:
    sent = {"traceparent": "00-1-2-01", "tracestate": "a=1,b=2", "baggage": "k=v"}
    written = context(sent).to_headers()
    assert {name: written[name] for name in sent} == sent
    assert context(written).header("traceparent") == "00-1-2-01"
