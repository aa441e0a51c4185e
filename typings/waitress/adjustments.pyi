class Adjustments:
    recv_bytes: int
    outbuf_overflow: int
    outbuf_high_watermark: int
    inbuf_overflow: int
    connection_limit: int
    max_request_header_size: int
    max_request_body_size: int
    ident: str | None
    expose_tracebacks: bool
    log_socket_errors: bool
    clear_untrusted_proxy_headers: bool
    channel_request_lookahead: int
    def __init__(self, **settings: object) -> None: ...
