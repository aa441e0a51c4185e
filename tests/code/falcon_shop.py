"""A Falcon application."""

import falcon


class Things:
    """Things, as media and as a stream."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer in parts."""
        resp.append_header("Set-Cookie", "a=1")
        resp.set_cookie("b", "2")
        resp.stream = iter([b"one ", b"two"])

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer what came."""
        resp.media = {"got": req.get_media(), "uri": req.uri}
        resp.status = falcon.HTTP_201


app = falcon.App()
app.add_route("/things", Things())
