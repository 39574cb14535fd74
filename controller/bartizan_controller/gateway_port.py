"""What gateways fetch over HTTPS with their certificate: firmware images, in ranges, and the catalogue's files."""

from pathlib import Path
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get
from litestar.params import FromPath
from litestar.response import File, Stream

from bartizan_controller.api.problems import HANDLERS, Problem, answer
from bartizan_controller.errors import NotFound
from bartizan_controller.images import ImageStore, parse_range, read_range

PUBLISHED = ("metadata", "targets")
"""Folders of the repository that gateways may see; changes that wait are not among them."""


def application(images: ImageStore, catalogue: Path) -> Litestar:
    """Return the application. Who may speak to it is for its TLS context to say."""

    @get("/images/{sha256:str}", media_type="application/octet-stream")
    async def image(request: Request[Any, Any, Any], sha256: FromPath[str]) -> Response[Any]:
        path = images.path(sha256)
        # The name is the content's hash, so `If-Range` and `If-None-Match` can only be right.
        return _ranged(path, path.stat().st_size, request.headers.get("range", ""), {"ETag": f'"{sha256}"'})

    @get("/catalogue/{file:path}")
    async def catalogue_file(file: FromPath[str]) -> File:
        return File(_published(catalogue, file), media_type=MediaType.JSON, content_disposition_type="inline")

    return Litestar([image, catalogue_file], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)


def _ranged(path: Path, size: int, asked: str, headers: dict[str, str]) -> Response[Any]:
    try:
        part = parse_range(asked, size)
    except ValueError:
        refusal = answer(Problem("Range not satisfiable", 416, f"the file has {size} octets"))
        refusal.headers["Content-Range"] = f"bytes */{size}"
        return refusal
    start, length = part or (0, size)
    headers = headers | {"Accept-Ranges": "bytes", "Content-Length": str(length)}
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return Stream(read_range(path, start, length), status_code=206 if part else 200, headers=headers)


def _published(catalogue: Path, file: str) -> Path:
    relative = file.lstrip("/")
    path = (catalogue / relative).resolve()
    inside = any(path.is_relative_to((catalogue / folder).resolve()) for folder in PUBLISHED)
    if not inside or not path.is_file():
        raise NotFound(f"the catalogue has no file {relative[:200]!r}")
    return path
