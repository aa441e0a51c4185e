"""Which values the limits accept, and their defaults."""

import socket

import pytest

from fcplug.server import Limits
from fcplug.server.limits import WaitressSettings


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_limit_is_a_number_above_0(value: float) -> None:
    with pytest.raises(ValueError, match=r"limit drain_timeout is .*: expected a number above 0"):
        Limits(drain_timeout=value)


def test_the_defaults_fit_function_compute() -> None:
    limits = Limits()
    assert limits.max_body == 32 * 1024 * 1024
    assert limits.max_header >= 8 * 1024
    assert limits.idle_timeout >= 900
    assert limits.connection_limit >= 1000


def test_no_setting_of_waitress_shows_or_logs_too_much() -> None:
    with socket.socket() as sock:
        settings = WaitressSettings(Limits(), sock)
    assert settings.ident is None
    assert settings.expose_tracebacks is False
    assert settings.log_socket_errors is False
    assert settings.clear_untrusted_proxy_headers is False  # the application gets them
    assert settings.channel_request_lookahead == 0
