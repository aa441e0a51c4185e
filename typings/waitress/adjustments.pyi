class Adjustments:
    recv_bytes: int
    outbuf_overflow: int
    inbuf_overflow: int
    connection_limit: int
    channel_timeout: int
    max_request_header_size: int
    max_request_body_size: int
    def __init__(self, **settings: object) -> None: ...
