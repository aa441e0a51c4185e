"""When a faster way is taken that does not always pay."""

from fcplug.server.waitress.adaptive_gate import AdaptiveGate


def after_skipping(gate: AdaptiveGate) -> int:
    """Skip until the next try is expected to pay; return how often."""
    count = 0
    while not gate.is_open:
        gate.skipped()
        count += 1
    return count


def test_the_first_times_are_skipped() -> None:
    assert after_skipping(AdaptiveGate()) == 64


def test_the_gate_stays_open_while_tries_pay() -> None:
    gate = AdaptiveGate()
    after_skipping(gate)
    for _ in range(1000):
        gate.tried(paid=True)
        assert gate.is_open


def test_a_few_tries_that_do_not_pay_leave_it_open() -> None:
    gate = AdaptiveGate()
    after_skipping(gate)
    for number in range(1000):
        gate.tried(paid=number % 10 != 0)
        assert gate.is_open


def test_tries_in_a_row_that_do_not_pay_close_it() -> None:
    gate = AdaptiveGate()
    after_skipping(gate)
    count = 0
    while gate.is_open:
        gate.tried(paid=False)
        count += 1
    assert count == 5


def test_a_gate_that_is_not_enabled_never_opens() -> None:
    gate = AdaptiveGate(enabled=False)
    for _ in range(10_000):
        gate.skipped()
        assert not gate.is_open


def test_every_trial_that_fails_doubles_the_time_until_the_next() -> None:
    gate = AdaptiveGate()
    counts = []
    for _ in range(9):
        counts.append(after_skipping(gate))
        gate.close()
    assert counts == [64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096]
    after_skipping(gate)
    for _ in range(5000):
        gate.tried(paid=True)
    gate.close()
    assert after_skipping(gate) == 64
