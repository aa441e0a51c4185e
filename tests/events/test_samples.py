"""The sample events: each is of its kind, decodes into its type, and takes what is set."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_origin

import cbor2
import pytest

from fcplug.context import Context
from fcplug.events import decode, samples
from fcplug.events.kinds import TYPES, looks_like
from fcplug.runtime.runtime import Runtime

FOLDER = Path(samples.__file__).parent


def document(kind: str, event: bytes) -> Any:
    return cbor2.loads(event) if kind == "tablestore" else json.loads(event)


def test_there_is_a_sample_of_every_kind() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_a_sample_decodes_into_its_type(kind: str) -> None:
    type_ = samples.type_of(kind)
    event = samples.event(kind)
    assert isinstance(decode(event, type_), get_origin(type_) or type_)
    assert looks_like(document(kind, event)) == kind


def test_a_handler_of_every_kind_gets_its_type(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    handlers = "".join(
        f"def {kind.replace('-', '_')}(event: {name}): return type(event).__name__\n"
        for kind, name in TYPES.items()
    )
    code("index", f"from fcplug.events import *\n{handlers}")
    runtime = serve(**{kind: f"index:{kind.replace('-', '_')}" for kind in TYPES})
    for kind, name in TYPES.items():
        answer = runtime.invoke(samples.event(kind), called(kind))
        assert answer.body.decode() == name.partition("[")[0]


@pytest.mark.parametrize("kind", TYPES)
def test_every_parameter_of_a_sample_is_in_the_event(kind: str) -> None:
    defaults = samples.parameters(kind)
    assert defaults
    for name, default in defaults.items():
        value = {str: "set-here", int: 424242, bool: True, dict: {"set": "here"}}[type(default)]
        event = samples.event(kind, **{name: value})
        shown = value if isinstance(value, str) else json.dumps(value)
        text = json.dumps(document(kind, event), ensure_ascii=False)
        assert shown in text, name
        assert event != samples.event(kind)
        decode(event, samples.type_of(kind))
    assert samples.event(kind, **defaults) == samples.event(kind)


def test_a_value_is_set_wherever_it_belongs() -> None:
    [record] = json.loads(samples.event("oss", bucket="b", key="a {key} é.txt"))["events"]
    assert record["oss"]["bucket"]["arn"].endswith(":b")
    assert record["oss"]["bucket"]["name"] == "b"
    assert record["oss"]["object"]["key"] == "a {key} é.txt"
    request = json.loads(samples.event("http", path="/ä b"))
    assert (request["rawPath"], request["requestContext"]["http"]["path"]) == (
        "/%C3%A4%20b",
        "/ä b",
    )
    assert json.loads(samples.event("rabbitmq", body=[1]))[0]["data"]["body"] == [1]


def test_a_message_without_attributes_is_its_text() -> None:
    assert samples.event("mns-stream", body="é", attrs={}) == "é".encode()


def test_the_documented_samples_are_what_is_made() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "events.md").read_text()
    [session] = re.findall(r"```pycon\n(.*?)```", page, re.DOTALL)
    steps = re.findall(r"^>>> (samples.*)\n(.*)$", session, re.MULTILINE)
    assert len(steps) == 2
    for expression, shown in steps:
        assert repr(eval(expression, {"samples": samples})) == shown


def test_what_cannot_be_made_is_an_error_that_lists_what_can() -> None:
    with pytest.raises(ValueError, match=r"sample event 'osss' \(did you mean 'oss'\?\).*sls"):
        samples.event("osss")
    with pytest.raises(ValueError, match=r"no sample event '\.\./oss'"):
        samples.parameters("../oss")
    with pytest.raises(ValueError, match="no sample event 'x'"):
        samples.type_of("x")
    with pytest.raises(
        ValueError, match=r"no parameter 'buckett' \(did you mean 'bucket'\?\).*key"
    ):
        samples.event("oss", buckett="b")
