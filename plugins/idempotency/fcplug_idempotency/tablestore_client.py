"""A table of Tablestore, whose requests end in time and are signed with the keys of the call.

The SDK encodes, signs and checks. It is imported with this module, which takes a second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_LOGGER = "fcplug_idempotency.tablestore"
for _name in ("tablestore", _LOGGER):  # it logs each failed condition as an error, and its headers
    logging.getLogger(_name).setLevel(logging.CRITICAL)

import certifi  # noqa: E402
import urllib3  # noqa: E402
from tablestore import (  # noqa: E402
    ComparatorType,
    CompositeColumnCondition,
    Condition,
    DefaultRetryPolicy,
    LogicalOperator,
    OTSClient,
    OTSClientError,
    OTSError,
    OTSServiceError,
    Row,
    SingleColumnCondition,
)
from urllib3.exceptions import HTTPError, NewConnectionError  # noqa: E402
from urllib3.exceptions import TimeoutError as RequestTimeout  # noqa: E402

from fcplug import Context  # noqa: E402
from fcplug_idempotency.errors import StoreUnavailable  # noqa: E402

_PATIENCE = 5.0  # seconds for one request
_FORM = "tablestore://INSTANCE.REGION.vpc.tablestore.aliyuncs.com/TABLE"
_HINTS = {
    "OTSAuthFailed": "its keys are not accepted",
    "OTSNoPermissionAccess": "the role must allow ots:GetRow, ots:PutRow and ots:UpdateRow",
    "OTSObjectNotExist": "make the table as the README of fcplug-idempotency shows",
}

Columns = dict[str, Any]


@dataclass(frozen=True)
class Address:
    """Where a table is."""

    endpoint: str
    instance: str
    table: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Return the address in a URL.

        Raises:
            ValueError: it is malformed.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        instance = options.pop("instance", (parts.hostname or "").partition(".")[0])
        table = parts.path.strip("/")
        if not instance or not table or "/" in table or "@" in parts.netloc or options:
            raise ValueError(f"store: the URL of Tablestore is malformed: {_FORM}")
        scheme = "http" if parts.scheme == "tablestore+http" else "https"
        return cls(f"{scheme}://{parts.netloc}", instance, table)


class _Retries(DefaultRetryPolicy):  # type: ignore[misc]  # the SDK has no types
    """Tries again what the service refused to do, such as under load, while there is time."""

    server_throttling_exception_delay_factor = 0.1
    stability_exception_delay_factor = 0.05

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def is_repeatable_api(self, api_name: str) -> bool:  # noqa: ARG002
        """Return that every request may be sent twice: a write names the token of its call."""
        return True

    def should_retry(self, retry_times: int, exception: Exception, api_name: str) -> bool:
        """Return whether the next try would begin before the deadline."""
        longest = min(self.max_retry_delay, 0.1 * 2**retry_times)
        in_time = time.monotonic() + longest < self._deadline
        return in_time and bool(super().should_retry(retry_times, exception, api_name))


class _Connection:
    """In place of the SDK's own one, whose tries have no limit together."""

    def __init__(self, pool: urllib3.PoolManager, endpoint: str, deadline: float) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._deadline = deadline

    def send_receive(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str | None, dict[str, str], bytes]:
        """Return status, reason, headers and body of an answer.

        A connection that a freeze has broken is replaced once. To send a request twice does no
        harm: it asks for the token of its call.
        """
        try:
            return self._once(path, headers, body)
        except RequestTimeout:
            raise
        except HTTPError:
            return self._once(path, headers, body)

    def _once(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str | None, dict[str, str], bytes]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise RequestTimeout("no time is left")
        answer = self._pool.urlopen(
            "POST",
            self._endpoint + path,
            redirect=False,
            body=body,
            headers=headers,
            retries=False,
            timeout=urllib3.Timeout(total=left),
        )
        return answer.status, answer.reason, dict(answer.headers), answer.data


class Table:
    """The table, for one call.

    Args:
        address: where it is.
        pool: connections that calls share.
        caller: whose keys sign, and whose time limits the requests.
        least: seconds that a request may take though the call has less time left.
    """

    def __init__(
        self, address: Address, pool: urllib3.PoolManager, caller: Context, least: float
    ) -> None:
        self._address = address
        self._pool = pool
        self._caller = caller
        self._least = least

    def get(self, key: str) -> Columns | None:
        """Return the columns of a row, or None if there is no such row."""
        with self._client() as client:
            _, row, _ = client.get_row(self._address.table, [("key", key)], max_version=1)
        return None if row is None else {name: value for name, value, _ in row.attribute_columns}

    def put(self, key: str, columns: Columns, condition: Condition | None = None) -> bool:
        """Write a whole row; return False if the condition does not hold."""
        row = Row([("key", key)], list(columns.items()))
        with self._client() as client:
            return _held(client.put_row, self._address.table, row, condition)

    def update(self, key: str, columns: Columns, condition: Condition) -> bool:
        """Write some columns of a row; return False if the condition does not hold."""
        row = Row([("key", key)], {"PUT": list(columns.items())})
        with self._client() as client:
            return _held(client.update_row, self._address.table, row, condition)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        keys = self._caller.credentials
        if not keys.access_key_id:
            raise StoreUnavailable(
                f"the store {self._name} cannot be used: the call has no credentials: give the "
                "function a role that may use Tablestore"
            )
        patience = max(self._least, min(_PATIENCE, self._caller.remaining_time()))
        deadline = time.monotonic() + patience
        client = OTSClient(
            self._address.endpoint,
            str(keys.access_key_id),
            str(keys.access_key_secret),
            self._address.instance,
            sts_token=str(keys.security_token) or None,
            retry_policy=_Retries(deadline),
            logger_name=_LOGGER,
            enable_native=False,  # its compiled part fits one version of Python
        )
        client.connection = _Connection(self._pool, self._address.endpoint, deadline)
        try:
            yield client
        except (OTSError, HTTPError) as error:
            raise StoreUnavailable(self._problem(error, patience)) from None

    @property
    def _name(self) -> str:
        return f"Tablestore {self._address.instance}/{self._address.table}"

    def _problem(self, error: Exception, patience: float) -> str:
        where = f"the store {self._name} at {self._address.endpoint}"
        if isinstance(error, OTSServiceError):
            hint = _HINTS.get(error.code, "see the errors of Tablestore")
            return f"{where} cannot be used ({error.code}): {hint}"
        if isinstance(error, RequestTimeout) and not isinstance(error, NewConnectionError):
            return f"{where} did not answer within {patience:.3g} seconds"
        if isinstance(error, OTSClientError):
            return f"{where} gave an answer that is not Tablestore's, or that is not signed by it"
        return f"{where} cannot be reached ({type(error).__name__})"


def new_pool() -> urllib3.PoolManager:
    """Return connections for threads to share; certificates are checked."""
    return urllib3.PoolManager(
        maxsize=64, cert_reqs="CERT_REQUIRED", ca_certs=certifi.where(), retries=False
    )


def has(**columns: str) -> Condition:
    """Return the condition that a row exists and has this column, or these two."""
    conditions = [
        SingleColumnCondition(name, value, ComparatorType.EQUAL, pass_if_missing=False)
        for name, value in columns.items()
    ]
    return Condition("EXPECT_EXIST", _all(conditions))


def absent() -> Condition:
    """Return the condition that there is no such row."""
    return Condition("EXPECT_NOT_EXIST")


def _all(conditions: list[Any]) -> Any:
    if len(conditions) == 1:
        return conditions[0]
    both = CompositeColumnCondition(LogicalOperator.AND)
    for condition in conditions:
        both.add_sub_condition(condition)
    return both


def _held(write: Any, table: str, row: Any, condition: Condition | None) -> bool:
    try:
        write(table, row, condition or Condition("IGNORE"))
    except OTSServiceError as error:
        if error.code != "OTSConditionCheckFail":
            raise
        return False
    return True
