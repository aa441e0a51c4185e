"""The HTTP server of ``runtime.server: granian``: hyper and tokio, with the rules of our own."""

from fcplug.granian.serving import require, serve

__all__ = ["require", "serve"]
