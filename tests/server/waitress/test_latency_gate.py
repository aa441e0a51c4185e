"""When the leader may answer requests itself."""

from fcplug.server.waitress.latency_gate import LatencyGate

QUICK, LONG = 0.0001, 0.01


def after_handing_over(gate: LatencyGate) -> int:
    """Hand requests over until the next answer is expected to be quick; return how many."""
    count = 0
    while not gate.is_open:
        gate.handed_over()
        count += 1
    return count


def test_first_requests_are_handed_over() -> None:
    assert after_handing_over(LatencyGate()) == 64


def test_the_gate_stays_open_while_answers_are_quick() -> None:
    gate = LatencyGate()
    after_handing_over(gate)
    for _ in range(1000):
        gate.answered(QUICK)
        assert gate.is_open


def test_a_few_slow_answers_leave_it_open() -> None:
    gate = LatencyGate()
    after_handing_over(gate)
    for number in range(1000):
        gate.answered(LONG if number % 10 == 0 else QUICK)
        assert gate.is_open


def test_slow_answers_in_a_row_close_it() -> None:
    gate = LatencyGate()
    after_handing_over(gate)
    count = 0
    while gate.is_open:
        gate.answered(LONG)
        count += 1
    assert count == 5


def test_every_trial_that_fails_doubles_the_time_until_the_next() -> None:
    gate = LatencyGate()
    counts = []
    for _ in range(9):
        counts.append(after_handing_over(gate))
        gate.close()
    assert counts == [64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096]
    after_handing_over(gate)
    for _ in range(5000):
        gate.answered(QUICK)
    gate.close()
    assert after_handing_over(gate) == 64
