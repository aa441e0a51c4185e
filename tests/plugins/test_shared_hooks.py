"""The hooks of a module that many functions use, from many threads."""

import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from fcplug.plugins.shared_hooks import SharedHooks, SharedUse


class Module(ModuleType):
    """A module whose hooks fail when they do not come in turn."""

    def __init__(self) -> None:
        super().__init__("acme_shared")
        self.is_open = False
        self.periods = 0

    def initialize(self, _context: object) -> int:
        assert not self.is_open
        self.is_open = True
        self.periods += 1
        return self.periods

    def pre_stop(self, _context: object) -> None:
        assert self.is_open
        self.is_open = False


class User:
    """A function that uses the module."""

    def __init__(self, shared: SharedHooks, module: Module) -> None:
        self.use = SharedUse(shared)
        self._initialize = self.use.share(
            "initialize", module.initialize, module.initialize, module.__name__
        )
        self._stop = self.use.share("pre_stop", module.pre_stop, module.pre_stop, module.__name__)

    def start(self) -> Any:
        self.use.join()
        return self._initialize(None)

    def stop(self) -> None:
        with self.use.leaving():
            self._stop(None)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Module:
    module = Module()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_the_first_user_starts_a_module_and_the_last_one_stops_it(module: Module) -> None:
    shared = SharedHooks()
    first, second = User(shared, module), User(shared, module)
    assert not first.use.hooks_in_use
    assert [first.start(), second.start()] == [1, 1]
    assert second.use.hooks_in_use
    assert first.use.hooks == second.use.hooks
    first.stop()
    assert module.is_open
    assert second.use.stops_left
    second.stop()
    assert not module.is_open
    assert first.start() == 2


def test_a_stored_hook_runs_even_if_the_last_user_has_none(module: Module) -> None:
    shared = SharedHooks()
    first, plain = User(shared, module), SharedUse(shared)
    plain.add(module.__name__, None)
    first.start()
    plain.join()
    first.stop()
    assert module.is_open
    with plain.leaving():
        assert module.is_open
    assert not module.is_open


def test_the_error_of_a_stored_hook_is_logged(
    module: Module, caplog: pytest.LogCaptureFixture
) -> None:
    shared = SharedHooks()
    first, plain = User(shared, module), SharedUse(shared)
    plain.add(module.__name__, None)
    plain.join()
    first.start()
    first.stop()
    module.is_open = False
    with plain.leaving():
        pass
    assert "AssertionError" in caplog.text
    assert first.start() == 2


def test_users_that_come_and_go_at_once_find_the_module_open(module: Module) -> None:
    shared = SharedHooks()
    errors: list[BaseException] = []

    def come_and_go(user: User) -> None:
        try:
            for _ in range(300):
                user.start()
                assert module.is_open
                user.stop()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=come_and_go, args=(User(shared, module),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert not module.is_open
