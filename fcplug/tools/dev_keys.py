"""The access keys that ``fcplug dev`` checks signatures with; their secrets are never arguments."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fcplug import protocol
from fcplug.tools.exit_code import WrongUsage

_SECRET = protocol.CREDENTIAL_VARIABLES[1]
_MOST = 4096  # bytes of a file that holds one secret


def read(given: Sequence[str], environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the secrets by access key id.

    Args:
        given: an id each, with ``=NAME`` of a variable or ``=@FILE`` that has the secret.
        environ: the process environment.

    Raises:
        WrongUsage: an id is empty or given twice, or its secret cannot be found.
    """
    keys: dict[str, str] = {}
    for each in given:
        key_id, equals, source = each.partition("=")
        if not key_id or not key_id.isascii() or not key_id.isprintable() or ":" in key_id:
            raise WrongUsage("--key: an access key id has letters and digits, and no colon")
        if key_id in keys:
            raise WrongUsage(f"--key {key_id} is given twice")
        if source.startswith("@"):
            keys[key_id] = _of_file(key_id, source[1:])
        else:
            keys[key_id] = _of_variable(key_id, source if equals else _SECRET, environ)
    return keys


def _of_variable(key_id: str, name: str, environ: Mapping[str, str]) -> str:
    if secret := environ.get(name):
        return secret
    # what stands there may be the secret itself, so it is not repeated
    which = _SECRET if name == _SECRET else "the variable that you name"
    raise WrongUsage(
        f"--key {key_id}: {which} is not set, so there is no secret to check signatures with\n"
        f"  fix: set it, or name a file: --key {key_id}=@FILE\n"
        "       never write the secret itself there: every user of this machine could read it"
    )


def _of_file(key_id: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            secret = file.read(_MOST).decode("ascii").strip()
    except UnicodeDecodeError:
        raise WrongUsage(f"--key {key_id}: {path} holds more than a secret") from None
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise WrongUsage(f"--key {key_id}: {path!r} cannot be read: {what}") from None
    if not secret or len(secret.split()) > 1:
        raise WrongUsage(f"--key {key_id}: {path} must hold one secret and nothing else")
    return secret
