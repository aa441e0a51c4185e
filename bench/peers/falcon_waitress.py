"""Minimal Falcon on waitress: what all ratios are taken against."""

import sys

import waitress

from falcon_app import app

waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]))
