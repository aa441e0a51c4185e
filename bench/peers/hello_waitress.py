"""An application of this folder on waitress: ``hello_waitress.py PORT MODULE``."""

import importlib
import sys

import waitress

from hello import logged

app = importlib.import_module(sys.argv[2]).app
waitress.serve(logged(app), host="127.0.0.1", port=int(sys.argv[1]))
