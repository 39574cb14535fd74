"""Bodies of requests: forms that carry an image, with a length known before they begin."""

from bartizan_agent.drivers.contract import Body, ImageFile

_BOUNDARY = "bartizan-5c1d83e07f2a4b96"  # 64 random bits, so an image that holds it is not to be expected


def form(*parts: tuple[str, str, bytes | ImageFile]) -> tuple[Body, str]:
    """Return a `multipart/form-data` body and its content type (RFC 7578).

    Args:
        parts: Name, content type and content of each field, in order.
    """
    pieces: list[bytes | ImageFile] = []
    for name, content_type, content in parts:
        filename = f'; filename="{content.file_name}"' if isinstance(content, ImageFile) else ""
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n'
        pieces += [f"{head}Content-Type: {content_type}\r\n\r\n".encode(), content, b"\r\n"]
    pieces.append(f"--{_BOUNDARY}--\r\n".encode())
    return tuple(pieces), f"multipart/form-data; boundary={_BOUNDARY}"
