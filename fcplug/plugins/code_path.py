"""Where the code of functions is: the folder FC puts it in, and its layers."""

import os
import sys
from collections.abc import Mapping

from fcplug import protocol


def add(environ: Mapping[str, str], layer: str = protocol.LAYER_PATH) -> None:
    """Put the code and FC's layers on the path, in the order of FC's built-in runtime."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    code = os.path.abspath(environ.get(protocol.CODE_PATH_VARIABLE) or os.getcwd())
    layers = (f"{layer}/lib/{version}/site-packages", layer)
    wanted = [code, *filter(os.path.isdir, layers)]
    sys.path[:] = [*wanted, *(path for path in sys.path if path not in wanted)]
