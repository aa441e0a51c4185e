"""Answer web requests: WSGI, ASGI, HTTP events, authentication."""
