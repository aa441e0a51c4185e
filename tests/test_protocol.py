"""FC's protocol: which phase a request asks for, FC's log lines, the port."""

import pytest

from fcplug import protocol
from fcplug.protocol import Phase


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("DELETE", "/invoke"), ("POST", "/initialize"), ("GET", "/pre-stop")],
)
def test_the_control_path_wins_over_method_and_path(method: str, path: str, phase: Phase) -> None:
    assert protocol.phase_of(phase.value, method, path) is phase  # checklist 16, 17, 18, 20


@pytest.mark.parametrize("control_path", ["", "/unknown", "invoke", "/INVOKE"])
@pytest.mark.parametrize(
    ("method", "path", "phase"),
    [
        ("POST", "/invoke", Phase.INVOKE),
        ("POST", "/initialize", Phase.INITIALIZE),
        ("GET", "/pre-freeze", Phase.PRE_FREEZE),
        ("GET", "/pre-stop", Phase.PRE_STOP),
        ("GET", "/invoke", Phase.WEB),
        ("GET", "/initialize", Phase.WEB),
        ("POST", "/pre-stop", Phase.WEB),
        ("post", "/invoke", Phase.WEB),
        ("POST", "/invoke/", Phase.WEB),
        ("POST", "/http-invoke", Phase.WEB),
        ("GET", "/", Phase.WEB),
    ],
)
def test_method_and_path_decide_where_no_known_control_path_does(
    method: str, path: str, phase: Phase, control_path: str
) -> None:
    assert protocol.phase_of(control_path, method, path) is phase  # checklist 19


@pytest.mark.parametrize(
    ("phase", "name"),
    [
        (Phase.INVOKE, "Invoke"),
        (Phase.WEB, "Invoke"),
        (Phase.INITIALIZE, "Initialize"),
        (Phase.PRE_FREEZE, "PreFreeze"),
        (Phase.PRE_STOP, "PreStop"),
    ],
)
def test_the_lines_around_a_phase_are_those_that_fc_documents(phase: Phase, name: str) -> None:
    assert phase.start_line + "r-1" == f"FC {name} Start RequestId: r-1"
    assert phase.end_line + "r-1" == f"FC {name} End RequestId: r-1"


def test_the_end_line_of_a_failure_has_the_suffix_of_fc() -> None:
    assert Phase.INVOKE.end_line + "r-1" + protocol.FAILED_SUFFIX == (
        "FC Invoke End RequestId: r-1, Error: Unhandled function error"
    )


def test_the_inited_line_has_the_shape_and_not_the_name_of_an_official_runtime() -> None:
    assert protocol.INITED_LINE == "FunctionCompute fcplug runtime inited."  # checklist 68


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({}, 9000),
        ({"FC_SERVER_PORT": "8080"}, 8080),
        ({"FC_CUSTOM_LISTEN_PORT": "8081"}, 8081),
        ({"FC_SERVER_PORT": "8080", "FC_CUSTOM_LISTEN_PORT": "8081"}, 8080),
        ({"FC_SERVER_PORT": "", "FC_CUSTOM_LISTEN_PORT": "8081"}, 8081),
        ({"FC_SERVER_PORT": "", "FC_CUSTOM_LISTEN_PORT": ""}, 9000),
        ({"FC_SERVER_PORT": "0"}, 0),
        ({"FC_SERVER_PORT": "65535"}, 65535),
        ({"PORT": "1"}, 9000),
    ],
    ids=str,
)
def test_the_port_is_the_first_that_fc_or_its_tools_set(environ: dict[str, str], port: int) -> None:
    assert protocol.port(environ) == port  # checklist 2


@pytest.mark.parametrize("name", protocol.PORT_VARIABLES)
@pytest.mark.parametrize("text", ["65536", "-1", "http", "80.0", " 80", "+80", "٨٠", "0x50", "8_0"])
def test_a_value_that_is_not_a_port_is_reported_with_its_variable(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="expected a port number from 0 to 65535") as error:
        protocol.port({name: text})
    assert str(error.value).startswith(f"{name} is {text!r}: ")


def test_a_number_too_long_for_python_is_not_a_port() -> None:
    with pytest.raises(ValueError, match="FC_SERVER_PORT is"):
        protocol.port({"FC_SERVER_PORT": "9" * 5000})


def test_every_header_is_spelled_in_lower_case() -> None:
    assert all(name == name.lower() for name in protocol.CONTEXT_HEADERS)
    assert len(set(protocol.CONTEXT_HEADERS)) == len(protocol.CONTEXT_HEADERS)
    assert set(protocol.VARIABLES) <= set(protocol.CONTEXT_HEADERS)


@pytest.mark.parametrize(
    ("path", "service", "function", "prefix"),
    [
        ("/2016-08-15/proxy/s/f/a/b", "s", "f", "/2016-08-15/proxy/s/f"),
        ("/2016-08-15/proxy/s.v1/f", "s", "f", "/2016-08-15/proxy/s.v1/f"),
        ("/2016-08-15/proxy/s/f/", "s", "f", "/2016-08-15/proxy/s/f"),
        ("/2016-08-15/proxy/s/other/a", "s", "f", ""),
        ("/2016-08-15/proxy/other/f/a", "s", "f", ""),
        ("/2016-08-15/proxy/s/f/a", "", "f", ""),  # FC 3.0 has no services
        ("/2016-08-15/proxy//f/a", "", "f", ""),
        ("/a/2016-08-15/proxy/s/f", "s", "f", ""),
        ("/2016-08-15/proxy/s", "s", "f", ""),
    ],
)
def test_the_prefix_of_fc_2_is_that_of_the_function_called(
    path: str, service: str, function: str, prefix: str
) -> None:
    assert protocol.proxy_prefix(path, service, function) == prefix  # checklist 26


@pytest.mark.parametrize(
    ("header", "reserved"),
    [("X-Fc-Anything", True), ("Connection", True), ("DATE", True), ("Set-Cookie", False)],
)
def test_what_the_platform_sets_an_application_may_not(header: str, reserved: bool) -> None:
    assert protocol.is_reserved(header) is reserved  # checklist 41
