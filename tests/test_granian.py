"""Instances that granian serves: the same contract, the same door, the same way out."""

from collections.abc import Iterator

import pytest

from conformance import CONFIG, ENVIRONMENT, ROWS, Call, Row
from deployed import deploy, start
from proving import FILES, OverSocket, prove


@pytest.fixture(scope="module")
def over_granian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverSocket]:
    config = CONFIG.replace("runtime: {", "runtime: {server: granian, ", 1)
    code = deploy(tmp_path_factory.mktemp("code"), config, FILES)
    with start(code, environ=ENVIRONMENT) as instance:
        yield OverSocket(code, instance)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_conforms(row: Row, over_granian: OverSocket) -> None:
    prove(row._replace(calls=tuple(map(named, row.calls))), over_granian)


def named(call: Call) -> Call:
    """Return a call whose answer bears granian's name, not the application's and not none."""
    return call._replace(
        fields={**call.fields, **dict.fromkeys(call.fields.keys() & {"server"}, "granian")}
    )
