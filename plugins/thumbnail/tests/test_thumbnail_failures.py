"""Failures of OSS: each says where, what and the fix, and none shows a credential."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from oss_support import context, event

from fcplug import Context
from fcplug.errors import PluginError
from fcplug.testing import Answer, Runner
from fcplug_thumbnail import (
    AccessDenied,
    CredentialsRejected,
    ObjectMissing,
    StorageError,
    StorageUnavailable,
    Thumbnail,
    WrongRegion,
)
from fcplug_thumbnail.location import locate
from local_oss import Account, Exchange, Failure, LocalOSS

Call = Callable[..., Answer]


def expired(_: LocalOSS, account: Account) -> None:
    account.expired = True


def unknown(oss: LocalOSS, _: Account) -> None:
    oss.accounts.clear()


def other_secret(oss: LocalOSS, account: Account) -> None:
    oss.accounts[account.key_id] = Account(account.key_id, "AnotherSecret", account.token)


def other_token(oss: LocalOSS, account: Account) -> None:
    oss.accounts[account.key_id] = Account(account.key_id, account.secret, "AnotherToken")


def may_only(*actions: str) -> Callable[[LocalOSS, Account], None]:
    def change(_: LocalOSS, account: Account) -> None:
        account.allowed = actions

    return change


def elsewhere(oss: LocalOSS, _: Account) -> None:
    oss.elsewhere["photos"] = "oss-cn-beijing.aliyuncs.com"


def region(oss: LocalOSS, _: Account) -> None:
    oss.region = "cn-beijing"


def no_bucket(oss: LocalOSS, _: Account) -> None:
    oss.buckets.clear()


def clock(oss: LocalOSS, _: Account) -> None:
    oss.clock = 3600.0


def answers(status: int, code: str, message: str = "") -> Callable[[LocalOSS, Account], None]:
    """Return what lets OSS answer with an error, whose message holds all credentials."""

    def change(oss: LocalOSS, account: Account) -> None:
        secrets = f"{account.key_id} {account.secret} {account.token}"

        def fail(exchange: Exchange) -> None:
            shown = {"OSSAccessKeyId": secrets, "RequestId": account.token}
            exchange.fail(Failure(status, code, f"{message} {secrets}", **shown))

        oss.faults["GET"] += [fail] * 3

    return change


def no_xml(oss: LocalOSS, account: Account) -> None:
    secrets = f"{account.key_id} {account.secret} {account.token}"

    def fail(exchange: Exchange) -> None:
        exchange.send(400, {"Content-Type": "text/html"}, f"<html>{secrets}".encode())

    oss.faults["GET"].append(fail)


Case = tuple[Any, type[StorageError], str]


def no_text(oss: LocalOSS, _: Account) -> None:
    def fail(exchange: Exchange) -> None:
        exchange.send(400, {"Content-Type": "application/xml"}, b"\xff\xfe<")

    oss.faults["GET"].append(fail)


CASES: list[Case] = [
    (expired, CredentialsRejected, "SecurityTokenExpired, status 403"),
    (expired, CredentialsRejected, "the credentials have expired: FC renews them for each call"),
    (unknown, CredentialsRejected, "OSS does not know the credentials, or they have expired"),
    (other_secret, CredentialsRejected, "the access key secret does not belong to the access key"),
    (other_token, CredentialsRejected, "the security token does not belong to the access key"),
    (may_only("PutObject"), AccessDenied, "allow oss:GetObject on acs:oss:*:*:photos/a.jpg in a"),
    (may_only("GetObject"), AccessDenied, "allow oss:PutObject on acs:oss:*:*:photos/a.jpg.thumb."),
    (elsewhere, WrongRegion, "the bucket is at oss-cn-beijing.aliyuncs.com: set region to that"),
    (region, WrongRegion, "the bucket is not in 'cn-hangzhou': set region to that of the bucket"),
    (no_bucket, ObjectMissing, "there is no such bucket: correct the trigger or the endpoint"),
    (clock, StorageError, "the clock here is more than 15 minutes from that of OSS: it says 2"),
    (answers(403, "InvalidObjectState"), StorageError, "it is archived: restore it first"),
    (answers(404, "SymlinkTargetNotExist"), ObjectMissing, "a link to an object that does not"),
    (answers(403, "UserDisable", "in debt"), StorageError, "): in debt *** *** ***"),
    (answers(500, "InternalError"), StorageUnavailable, "retry later"),
    (answers(429, "TooManyRequests"), StorageUnavailable, "retry later"),
    (no_xml, StorageError, "BadErrorResponse, status 400"),
    (no_text, StorageError, "does not understand the answer"),
]


@pytest.mark.parametrize("case", CASES)
def test_an_error_of_oss_says_where_what_and_the_fix(
    call: Call, oss: LocalOSS, ada: Account, case: Case
) -> None:
    change, kind, text = case
    change(oss, ada)
    answer = call("a.jpg", ada)
    assert type(answer.error) is kind, answer
    message = str(answer.error)
    assert text in message
    assert message.startswith("oss://photos/a.jpg")
    assert f" it at {oss.url.removeprefix('http://')} (" in message
    for shown in (message, answer.body.decode(), answer.log):
        assert not [secret for secret in (ada.key_id, ada.secret, ada.token) if secret in shown]


def test_a_call_without_credentials_says_how_to_get_some(call: Call, oss: LocalOSS) -> None:
    answer = call("a.jpg", None)
    assert isinstance(answer.error, CredentialsRejected)
    assert "give the function a role" in str(answer.error)
    assert oss.seen == []


@pytest.mark.parametrize("ending", ["\n", "\r\n", " ", "é", "\0"])
def test_credentials_that_no_header_can_hold_are_not_shown(oss: LocalOSS, ending: str) -> None:
    ada = oss.add("ada")
    given = Context.from_headers(
        {"x-fc-region": "cn-hangzhou"},
        {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": ada.key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ada.secret,
            "ALIBABA_CLOUD_SECURITY_TOKEN": ada.token + ending,
        },
    )
    with pytest.raises(CredentialsRejected, match="a line break at the end") as caught:
        Thumbnail(endpoint=oss.url).invoke(event("a.jpg"), given)
    assert ada.token not in str(caught.value)
    assert oss.seen == []


def test_a_service_that_cannot_be_reached_names_the_endpoint(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = call("a.jpg", ada, endpoint=f"http://{host}", attempts=2)
    assert isinstance(answer.error, StorageUnavailable)
    assert f"at {host} (ConnectionRefusedError): no answer after 2 requests" in str(answer.error)


def test_a_call_of_no_region_says_which_setting_is_missing(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    answer = call("a.jpg", ada, headers={"x-fc-region": ""})
    assert isinstance(answer.error, WrongRegion)
    assert "the call has no region: set region to that of the bucket" in str(answer.error)
    assert call("a.jpg", ada, headers={"x-fc-region": ""}, region="cn-hangzhou").error is None


@pytest.mark.parametrize("region", ["evil.example.com/", "cn-hangzhou\n", "x@y", "A"])
def test_a_region_that_is_no_region_gets_no_credentials(region: str) -> None:
    with pytest.raises(WrongRegion, match="is not the id of a region"):
        locate("auto", "", region, on_fc=True)


@pytest.mark.parametrize(
    ("endpoint", "region", "of_call", "on_fc", "url"),
    [
        ("auto", "", "cn-hangzhou", True, "https://oss-cn-hangzhou-internal.aliyuncs.com"),
        ("auto", "", "cn-hangzhou", False, "https://oss-cn-hangzhou.aliyuncs.com"),
        ("auto", "cn-beijing", "cn-hangzhou", True, "https://oss-cn-beijing.aliyuncs.com"),
        ("auto", "cn-beijing", "cn-beijing", True, "https://oss-cn-beijing-internal.aliyuncs.com"),
        ("public", "", "cn-hangzhou", True, "https://oss-cn-hangzhou.aliyuncs.com"),
        ("internal", "cn-beijing", "", False, "https://oss-cn-beijing-internal.aliyuncs.com"),
        ("http://localhost:9", "cn-beijing", "", True, "http://localhost:9"),
    ],
)
def test_the_endpoint_follows_settings_and_region(
    endpoint: str, region: str, of_call: str, on_fc: bool, url: str
) -> None:
    assert locate(endpoint, region, of_call, on_fc=on_fc).url == url


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"region": "cn hangzhou"}, "region: 'cn hangzhou' is not allowed: use an id such as"),
        ({"endpoint": "intern"}, "endpoint: 'intern' is not allowed: use auto, internal, public"),
        ({"endpoint": "https://x/y"}, "endpoint: 'https://x/y' is not allowed: use auto"),
        ({"attempts": 0}, "attempts: 0 is not allowed: use 1 to 10"),
        ({"attempts": 11}, "attempts: 11 is not allowed: use 1 to 10"),
    ],
)
def test_a_setting_out_of_range_is_named(fc: Runner, settings: Any, message: str) -> None:
    answer = fc.invoke("thumbnail", event("a.jpg"), context=context(None), settings=settings)
    assert isinstance(answer.error, PluginError)
    assert f"Thumbnail rejects its settings: {message}" in str(answer.error)
