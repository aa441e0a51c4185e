"""Flask's hello."""

from flask import Flask

app = Flask(__name__)


def hello() -> str:
    return "Hello, World!"


app.add_url_rule("/hello", view_func=hello)
