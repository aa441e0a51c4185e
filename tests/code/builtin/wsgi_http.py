import json


def handler(environ, start_response):
    context = environ["fc.context"]
    try:
        request_body_size = int(environ.get("CONTENT_LENGTH", 0))
    except ValueError:
        request_body_size = 0
    request_body = environ["wsgi.input"].read(request_body_size)
    answer = {
        "requestId": context.request_id,
        "method": environ["REQUEST_METHOD"],
        "uri": environ["fc.request_uri"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "client": environ["REMOTE_ADDR"],
        "header": environ.get("HTTP_X_CUSTOM"),
        "body": request_body.decode(),
    }
    status = "200 OK"
    response_headers = [("Content-type", "application/json"), ("X-Custom", "yes")]
    start_response(status, response_headers)
    return [json.dumps(answer, sort_keys=True)]
