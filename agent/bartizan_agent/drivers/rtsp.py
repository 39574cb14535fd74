"""RTSP as far as a health check needs it (RFC 2326): DESCRIBE, its answer, and the codec in the description. No I/O."""

import re

import msgspec

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import Stream

HEAD_LIMIT = 16 * 1024  # octets; real heads are below 1 KB
BODY_LIMIT = 64 * 1024  # octets; a description with both streams and metadata is about 2 KB
_STATUS = re.compile(r"\ARTSP/\d\.\d (\d{3})\b")
_RTPMAP = re.compile(r"\Aa=rtpmap:\d+ +([A-Za-z0-9-]+)/")
_SIZE = re.compile(r"\Aa=(?:x-dimensions:|framesize:\d+ +)(\d{1,5})[,-](\d{1,5})")
_STATIC_PAYLOADS = {"26": "JPEG", "31": "H261", "32": "MPV", "34": "H263"}


class Answer(msgspec.Struct, frozen=True):
    """The head of an RTSP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""

    def all(self, name: str) -> list[str]:
        """Return the values of every header of that name."""
        return [value for key, value in self.headers if key == name]

    @property
    def length(self) -> int:
        """Octets of body that follow; never more than `BODY_LIMIT`."""
        values = self.all("content-length")
        return min(int(values[0]), BODY_LIMIT) if values and values[0].isdecimal() else 0


def describe(url: str, sequence: int, authorization: str = "") -> bytes:
    """Return a DESCRIBE request."""
    lines = [f"DESCRIBE {url} RTSP/1.0", f"CSeq: {sequence}", "Accept: application/sdp", "User-Agent: bartizan"]
    if authorization:
        lines.append(f"Authorization: {authorization}")
    return "\r\n".join([*lines, "", ""]).encode()


def parse_head(data: bytes) -> Answer:
    """Return the head of an answer, up to and including its empty line.

    Raises:
        Malformed: It is not RTSP.
    """
    first, *rest = data.decode("utf-8", "replace").splitlines() or [""]
    status = _STATUS.match(first)
    if status is None:
        raise Malformed("the camera does not speak RTSP on its RTSP port")
    pairs = (line.partition(":") for line in rest if ":" in line)
    return Answer(int(status[1]), tuple((name.strip().lower(), value.strip()) for name, _, value in pairs))


def stream(description: bytes) -> Stream:
    """Return codec and size of the first video stream in an SDP description (RFC 8866).

    Raises:
        Malformed: There is no video in it.
    """
    video = _first_video(description.decode("utf-8", "replace").splitlines())
    if not video:
        raise Malformed("the camera describes a stream without video")
    codecs = [found[1].upper() for line in video if (found := _RTPMAP.match(line))]
    sizes = [(int(found[1]), int(found[2])) for line in video if (found := _SIZE.match(line))]
    payload = video[0].split()[-1]
    codec = codecs[0] if codecs else _STATIC_PAYLOADS.get(payload, f"payload {payload}")
    width, height = sizes[0] if sizes else (0, 0)
    return Stream(codec=codec, width=width, height=height)


def _first_video(lines: list[str]) -> list[str]:
    video: list[str] = []
    for line in lines:
        if line.startswith("m="):
            if video:
                break
            if line.startswith("m=video "):
                video.append(line)
        elif video:
            video.append(line)
    return video
