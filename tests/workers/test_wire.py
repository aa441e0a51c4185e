"""Frames: they arrive as they were sent, invalid ones are rejected, and no call blocks."""

import os
import random
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from fcplug.workers.wire import MAX_PART, Frame, FrameConnection, FrameError, Kind

MIB = 1024 * 1024


@pytest.fixture
def ends() -> Iterator[tuple[FrameConnection, FrameConnection]]:
    one, other = socket.socketpair()
    with one, other:
        yield FrameConnection(one), FrameConnection(other)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.NEXT, 7),
        Frame(Kind.CALL, 2**32 - 1, "{ü}".encode(), b"event"),
        Frame(Kind.RESULT, 1, b"", bytes(range(256)) * 256),
        Frame(Kind.RESULT, 1, b"h" * 100_000, b"\0" * (64 * 1024 + 1)),
        Frame(Kind.RESULT, 1, b"h" * (64 * 1024 - 17), b""),
        Frame(Kind.RESULT, 1, b"h" * (64 * 1024 - 17), b"b"),
        Frame(Kind.ERROR, 1, b"h"),
    ],
    ids=lambda frame: f"{frame.name}-{len(frame.body)}",
)
def test_a_frame_arrives_as_it_was_sent(
    ends: tuple[FrameConnection, FrameConnection], frame: Frame
) -> None:
    sender = threading.Thread(target=ends[0].send, args=(frame,))
    sender.start()
    assert ends[1].receive(time.monotonic() + 60) == frame
    sender.join()


def test_32_mib_arrive_whole_and_are_never_copied(
    ends: tuple[FrameConnection, FrameConnection],
) -> None:
    body = os.urandom(MIB) * 32
    sender = threading.Thread(target=ends[0].send, args=(Frame(Kind.CALL, 1, b"", body),))
    tracemalloc.start()
    sender.start()
    received = ends[1].receive(time.monotonic() + 60).body
    sender.join()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert received == body
    assert type(received) is bytes
    assert peak < 34 * MIB


def test_a_frame_that_is_too_large_is_rejected_before_it_is_sent(
    ends: tuple[FrameConnection, FrameConnection],
) -> None:
    with pytest.raises(FrameError, match=f"{MAX_PART + 1} bytes"):
        ends[0].send(Frame(Kind.RESULT, 1, b"", bytes(MAX_PART + 1)))
    ends[0].send(Frame(Kind.NEXT, 1))
    assert ends[1].receive() == Frame(Kind.NEXT, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"garbage garbage garbage garbage",
        bytes(100),
        struct.pack("!BIIQ", 6, 1, 0, 1 << 60),
        struct.pack("!BIIQ", 6, 1, 0xFFFFFFFF, 0),
        struct.pack("!BIIQ", 200, 1, 0, 0),
    ],
    ids=ascii,
)
def test_invalid_data_is_rejected(
    ends: tuple[FrameConnection, FrameConnection], data: bytes
) -> None:
    ends[0].socket.sendall(data)
    with pytest.raises(FrameError):
        ends[1].receive(time.monotonic() + 60)


def receive_all(connection: FrameConnection) -> None:
    while True:
        connection.receive(time.monotonic() + 60)


def test_random_bytes_are_a_frame_or_rejected(
    ends: tuple[FrameConnection, FrameConnection],
) -> None:
    dice = random.Random(7)
    for _ in range(300):
        one, other = socket.socketpair()
        with one, other:
            one.sendall(bytes([dice.randrange(9)]) + dice.randbytes(dice.randrange(60)))
            one.shutdown(socket.SHUT_WR)
            with pytest.raises((FrameError, EOFError)):
                receive_all(FrameConnection(other))


@pytest.mark.parametrize("sent", [0, 5, 17, 19])
def test_a_connection_closed_within_a_frame_is_an_error(
    ends: tuple[FrameConnection, FrameConnection], sent: int
) -> None:
    ends[0].socket.sendall((struct.pack("!BIIQ", 6, 1, 2, 100_000) + b"{}")[:sent])
    ends[0].socket.close()
    with pytest.raises(EOFError):
        ends[1].receive(time.monotonic() + 60)


@pytest.mark.parametrize(
    ("read", "error"), [(0, ConnectionResetError), (9, ConnectionResetError), (17, EOFError)]
)
def test_an_end_that_closes_shows_whether_it_had_read_everything(
    ends: tuple[FrameConnection, FrameConnection], read: int, error: type[Exception]
) -> None:
    ends[0].send(Frame(Kind.CALL))
    if read:
        assert len(ends[1].socket.recv(read)) == read
    ends[1].socket.close()
    with pytest.raises(error):
        ends[0].receive(time.monotonic() + 60)


def test_frames_that_arrive_together_are_received_one_by_one(
    ends: tuple[FrameConnection, FrameConnection],
) -> None:
    frames = [Frame(Kind.CALL, n, b"h" * n, bytes(size)) for n, size in enumerate((5, 70_000, 0))]
    for frame in frames:
        ends[0].send(frame)
    assert [ends[1].receive(time.monotonic() + 60) for _ in frames] == frames


@pytest.mark.parametrize("body", [b"", b"x" * 100_000], ids=["nothing", "trickle"])
def test_a_deadline_holds_however_much_arrives(
    ends: tuple[FrameConnection, FrameConnection], body: bytes
) -> None:
    stop = threading.Event()

    def trickle() -> None:
        ends[0].socket.sendall(struct.pack("!BIIQ", 6, 1, 0, len(body)) if body else b"")
        for byte in body:
            if stop.wait(0.02):
                return
            ends[0].socket.sendall(bytes([byte]))

    sender = threading.Thread(target=trickle)
    sender.start()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        ends[1].receive(started + 0.3)
    assert time.monotonic() - started >= 0.3
    stop.set()
    sender.join()


def test_a_deadline_holds_if_the_other_side_does_not_read(
    ends: tuple[FrameConnection, FrameConnection],
) -> None:
    with pytest.raises(TimeoutError):
        ends[0].send(Frame(Kind.CALL, 1, b"", bytes(8 * MIB)), time.monotonic() + 0.2)
    with pytest.raises(TimeoutError):
        ends[0].send(Frame(Kind.CALL), time.monotonic() - 1)
