def handler(environ, start_response):
    start_response("200", [["Content-Type", "text/plain"]])
    return f"{environ['CONTENT_TYPE']} {environ['CONTENT_LENGTH']} grüß dich"
