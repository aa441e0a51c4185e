"""How slowly a client may read an answer."""

import socket

import pytest

from fcplug.server.waitress.send_rate import SendRate, unacknowledged_bytes

RATE = 100


@pytest.fixture
def rate() -> SendRate:
    rate = SendRate(RATE, 10)
    assert not rate.too_slow(50, 7_000_000)  # what it has read before does not count
    return rate


def test_a_client_that_reads_nothing_is_too_slow_after_the_timeout(rate: SendRate) -> None:
    assert not any(rate.too_slow(50 + second, 7_000_000) for second in range(10))
    assert rate.too_slow(60, 7_000_000)


def test_a_client_that_reads_at_the_rate_never_is(rate: SendRate) -> None:
    assert not any(rate.too_slow(50 + n, 7_000_000 + RATE * n) for n in range(1000))


def test_a_client_that_reads_in_bursts_is_measured_by_all_of_them(rate: SendRate) -> None:
    assert not any(rate.too_slow(50 + n, 7_000_000 + n // 9 * 9 * RATE) for n in range(1000))


def test_a_client_that_reads_half_as_fast_is_too_slow_after_twice_the_time(rate: SendRate) -> None:
    slow = [n for n in range(30) if rate.too_slow(50 + n, 7_000_000 + n * RATE // 2)]
    assert slow[0] == 20


def test_bytes_read_quickly_allow_no_pause_later(rate: SendRate) -> None:
    assert not rate.too_slow(51, 90_000_000)
    assert rate.too_slow(61, 90_000_000)


def test_a_time_in_which_the_process_did_not_run_does_not_count(rate: SendRate) -> None:
    rate.skip_frozen_time(100)
    assert not rate.too_slow(159, 7_000_000)
    assert rate.too_slow(160, 7_000_000)


def test_a_freeze_before_the_first_check_changes_nothing() -> None:
    rate = SendRate(RATE, 10)
    rate.skip_frozen_time(100)
    assert not rate.too_slow(50, 0)
    assert rate.too_slow(60, 0)


def test_unacknowledged_bytes_are_counted() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        sender, _ = listener.accept()
        with sender:
            sender.setblocking(False)
            sent = 0
            while True:
                try:
                    sent += sender.send(bytes(1 << 16))
                except BlockingIOError:
                    break
            assert 0 < unacknowledged_bytes(sender) <= sent
            client.setblocking(True)
            while sent:
                sent -= len(client.recv(1 << 16))
            assert unacknowledged_bytes(sender) == 0


def test_a_closed_socket_has_no_unacknowledged_bytes() -> None:
    sock = socket.socket()
    sock.close()
    with pytest.raises(ValueError, match="negative"):
        unacknowledged_bytes(sock)
