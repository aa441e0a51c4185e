"""The fixtures of the tests of OSS: a local OSS, and what calls the handler with credentials."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fcplug.testing import Answer, Runner

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent)]  # of what the tests share, and of local_oss

from oss_instances import Instance  # noqa: E402
from oss_support import context, event, picture  # noqa: E402

from local_oss import Account, LocalOSS, Stored  # noqa: E402


@pytest.fixture
def oss() -> Iterator[LocalOSS]:
    """Return a local OSS with the bucket ``photos`` and a picture ``a.jpg`` in it."""
    service = LocalOSS()
    service.objects["photos/a.jpg"] = Stored(picture())
    yield service
    service.close()


@pytest.fixture
def call(fc: Runner, oss: LocalOSS) -> Callable[..., Answer]:
    """Return what invokes the handler on objects: ``call("a.jpg", account)``."""

    def invoke(
        sent: str | bytes, account: Account | None, headers: Any = None, **settings: Any
    ) -> Answer:
        given = sent if isinstance(sent, bytes) else event(sent)
        made = context(account, **(headers or {}))
        return fc.invoke(
            "thumbnail", given, context=made, settings={"endpoint": oss.url, **settings}
        )

    return invoke


@pytest.fixture
def ada(oss: LocalOSS) -> Account:
    """Return credentials that allow everything."""
    return oss.add("ada")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Instance]]:
    """Return what starts an instance with a configuration, given as YAML."""
    started: list[Instance] = []

    def begin(config: str) -> Instance:
        started.append(Instance(tmp_path, config))
        return started[-1]

    yield begin
    for instance in started:
        if instance.process.poll() is None:
            instance.process.kill()
            instance.process.wait()
