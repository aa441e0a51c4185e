import base64
import json
import logging


def handler(event, context):
    evt = json.loads(event)
    if "requestContext" not in evt:
        return "not called by an HTTP trigger"
    body = evt["body"]
    if evt["isBase64Encoded"]:
        body = base64.b64decode(body).decode("latin-1")
    http = evt["requestContext"]["http"]
    logging.getLogger().info("%s %s", http["method"], http["path"])
    if http["path"].endswith("/json"):
        return {"name": evt["queryParameters"].get("name", "nobody")}
    if http["path"].endswith("/binary"):
        return {
            "statusCode": 200,
            "headers": {"Content-Type": "image/png"},
            "isBase64Encoded": True,
            "body": base64.b64encode(b"\x89PNG\x00").decode(),
        }
    if http["path"].endswith("/raise"):
        raise KeyError("no such order")
    return {
        "statusCode": 201,
        "headers": {
            "Content-Type": "text/plain",
            "X-Request-Id": evt["requestContext"]["requestId"],
            "Set-Cookie": ["a=1", "b=2"],
        },
        "isBase64Encoded": False,
        "body": " ".join([http["method"], evt["rawPath"], body]),
    }
