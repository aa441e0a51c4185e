"""The same Flask app on waitress."""

import sys

import waitress

from flask_app import app

waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]))
