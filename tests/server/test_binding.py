"""The listening socket, and the errors if there is none."""

import os
import socket

import pytest

from fcplug.errors import BindError
from fcplug.server import bind


def test_the_socket_listens_at_once() -> None:
    with bind("127.0.0.1", 0) as sock, socket.create_connection(sock.getsockname(), timeout=20):
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_ipv6_is_known_by_its_colons() -> None:
    with bind("::1", 0) as sock:
        assert sock.family == socket.AF_INET6


def test_a_port_in_use_is_named_with_the_way_to_find_who_has_it() -> None:
    with bind("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(BindError) as caught:
            bind("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: the port is in use; `ss -ltnp 'sport = :{port}'` "
        "shows by which process: end that, or choose another port"
    )


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("127.0.0.1", 65536, "a port is a number from 0 to 65535"),
        ("192.0.2.1", 0, "this machine has no such address; 0.0.0.0 means all of its addresses"),
        ("no.such.host.invalid", 0, "the host is unknown"),
    ],
)
def test_other_reasons_are_explained(host: str, port: int, said: str) -> None:
    with pytest.raises(BindError, match=f"cannot listen on {host}:{port}: {said}"):
        bind(host, port)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may take any port")
def test_a_privileged_port_is_explained() -> None:
    with pytest.raises(BindError, match="no permission for this port; choose one above 1023"):
        bind("127.0.0.1", 1)
