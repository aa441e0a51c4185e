"""Who may use the console: this machine or a token, its own pages only, no script of others."""

import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import falcon

from fcplug.platform.model import SYNC_PAYLOAD

STATIC = "/static/"  # holds nothing of the user's
_FORM = SYNC_PAYLOAD + 1024 * 1024  # bytes of a form at most: an event, and the other fields
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Access(NamedTuple):
    """What a browser must have.

    Attributes:
        token: what the first request has in its address; empty for the loopback address.
        csrf: what every form has.
        cookie: the name of the cookie that keeps the token. Cookies do not know ports.
        names: the hosts that the console may be called by, beside IP addresses and localhost.
    """

    token: str
    csrf: str
    cookie: str
    names: frozenset[str]

    @classmethod
    def new(cls, *, open_to_others: bool, names: Iterable[str] = ()) -> "Access":
        """Return new secrets; others than this machine need a token."""
        token = secrets.token_urlsafe(24) if open_to_others else ""
        return cls(
            token=token,
            csrf=secrets.token_urlsafe(24),
            cookie=f"fcplug_console_{secrets.token_hex(4)}",
            names=frozenset(name.lower().rstrip(".") for name in names),
        )


class Guard:
    """Falcon's middleware that admits requests, and forbids browsers what the pages do not need."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Refuse what does not come from a page of the console, or a person who opens it.

        Raises:
            falcon.HTTPError: the request is refused.
        """
        host = request.get_header("Host") or ""
        if not self._is_known(host):
            raise _refused(
                "The address has a name that is not this machine's: use 127.0.0.1 or localhost."
            )
        _check_site(request, host)
        if self._access.token and not request.path.startswith(STATIC):
            self._check_token(request, response)
        if request.method not in ("GET", "HEAD") and not response.complete:
            request.context.form = self._form(request)

    def process_response(
        self, _request: falcon.Request, response: falcon.Response, *_: object
    ) -> None:
        """Add what every answer has, also those of errors."""
        for name, value in _HEADERS.items():
            response.set_header(name, value)
        for name, value in (("Content-Security-Policy", _POLICY), ("Cache-Control", "no-store")):
            if response.get_header(name) is None:
                response.set_header(name, value)

    def _is_known(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
            if name == "localhost" or name.endswith(".localhost") or name in self._access.names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _check_token(self, request: falcon.Request, response: falcon.Response) -> None:
        """Admit a browser that has the token as its cookie; make the cookie of one in the URL."""
        cookie, given = self._access.cookie, request.get_param("token") or ""
        kept = request.get_cookie_values(cookie) or [""]
        if any(_same(each, self._access.token) for each in kept):
            return
        if request.method != "GET" or not _same(given, self._access.token):
            raise falcon.HTTPUnauthorized(
                title="This console needs its token",
                description="Open the address that fcplug dev printed: it holds the token.",
            )
        response.append_header(
            "Set-Cookie", f"{cookie}={self._access.token}; HttpOnly; SameSite=Strict; Path=/"
        )
        # no redirect: after one from another site, the browser would not send a strict cookie
        response.content_type = falcon.MEDIA_HTML
        response.text = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>fcplug console</title>'
            '<meta http-equiv="refresh" content="0; url=/">'
            '<p><a href="/">Open the console</a>'
        )
        response.complete = True

    def _form(self, request: falcon.Request) -> Mapping[str, bytes]:
        """Return the fields of a form of the console.

        Raises:
            falcon.HTTPError: it is no form of the console, or too large.
        """
        if (request.content_length or 0) > _FORM:
            raise falcon.HTTPContentTooLarge(
                title="The form is too large",
                description=f"An event has at most {SYNC_PAYLOAD // 1024**2} MB.",
            )
        if not (request.content_type or "").startswith(falcon.MEDIA_MULTIPART):
            raise _refused("It is not sent by a form of the console.")
        form = {part.name or "": part.get_data() for part in request.get_media()}
        if not _same(form.get("csrf", b"").decode("latin-1"), self._access.csrf):
            raise _refused("The form is not of this run of the console: load the page again.")
        return form


def form_handler() -> falcon.media.MultipartFormHandler:
    """Return what reads the forms of the console: an event may be as large as FC allows."""
    handler = falcon.media.MultipartFormHandler()
    handler.parse_options.max_body_part_buffer_size = _FORM
    handler.parse_options.max_body_part_count = 32
    return handler


def _check_site(request: falcon.Request, host: str) -> None:
    """Refuse what a page of another origin sends, also one of the same machine.

    A person may follow a link to a page of the console; nothing else comes from elsewhere.
    """
    origin = request.get_header("Origin")
    site = request.get_header("Sec-Fetch-Site") or "none"
    moves = request.method == "GET" and request.get_header("Sec-Fetch-Mode") == "navigate"
    foreign = site not in ("none", "same-origin") and not moves
    if foreign or (origin is not None and origin.partition("://")[2] != host):
        raise _refused("It comes from a page of another site.")
    if request.method not in ("GET", "HEAD") and origin is None and site == "none":
        raise _refused("It does not say which page it comes from (Origin).")


def _refused(why: str) -> falcon.HTTPForbidden:
    return falcon.HTTPForbidden(title="The request is refused", description=why)


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())
