"""The environment that Function Compute gives to the process of an instance."""

import os
from collections.abc import Mapping

from fcplug import protocol
from fcplug.platform.model import FunctionConfig

_OF_THE_MACHINE = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER")


def variables(function: FunctionConfig, instance_id: str, port: int) -> Mapping[str, str]:
    """Return the variables of a new process.

    FC's own come last, because a user may not set them. Nothing else of the shell that started
    the platform reaches the function: a variable that the function needs must be configured.
    """
    machine = {name: os.environ[name] for name in _OF_THE_MACHINE if name in os.environ}
    return {**machine, "TZ": "UTC", **function.environment, **_of_fc(function, instance_id, port)}


def _of_fc(function: FunctionConfig, instance_id: str, port: int) -> dict[str, str]:
    found = {
        protocol.CODE_PATH_VARIABLE: str(function.folder),
        "FC_INSTANCE_ID": instance_id,
        **{name: str(port) for name in protocol.PORT_VARIABLES},
    }
    values = {
        protocol.FUNCTION_NAME: function.name,
        protocol.FUNCTION_HANDLER: function.handler,
        protocol.FUNCTION_MEMORY: str(function.memory),
        protocol.REGION: function.region,
        protocol.ACCOUNT_ID: function.account_id,
    }
    if function.headers == "2.0":
        values |= {protocol.SERVICE_NAME: function.service, protocol.QUALIFIER: "LATEST"}
    for header, value in values.items():
        found[protocol.VARIABLES[header][0]] = value
    if function.credentials is not None:
        found.update(zip(protocol.CREDENTIAL_VARIABLES, function.credentials, strict=True))
    return found
