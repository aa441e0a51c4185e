"""The functions of a configuration on a Ray cluster: ``serve run fcplug.ray:app``.

Each function is a deployment of Ray Serve whose replicas run fcplug's own runtime. Ray places them,
watches them, starts them again and scales them.
"""

import os
from collections.abc import Mapping
from typing import Any


def app(arguments: Mapping[str, str] | None = None) -> Any:
    """Return the application of a configuration, as ``serve run`` and ``serve deploy`` ask for it.

    Args:
        arguments: ``config``, the file; without it the file that ``fcplug serve`` would take.
            ``entries``, how many replicas take requests, one by default.

    Raises:
        ConfigError: the configuration is missing, or has mistakes.
    """
    from fcplug.config.file import ConfigFile  # noqa: PLC0415 - only where Ray builds it
    from fcplug.plugins import code_path  # noqa: PLC0415
    from fcplug.ray.application import EntryPlace, application  # noqa: PLC0415

    given = arguments or {}
    config = ConfigFile(given.get("config"), dict(os.environ)).load()
    entry = EntryPlace(int(given.get("entries", 1)))
    return application(config, code_path.folder(os.environ), entry=entry)
