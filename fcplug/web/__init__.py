"""Web requests: WSGI and ASGI applications, FC's HTTP event, and authentication."""
