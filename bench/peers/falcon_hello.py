"""Falcon's hello."""

import falcon


class Hello:
    """GET /hello."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = b"Hello, World!"


app = falcon.App()
app.add_route("/hello", Hello())
