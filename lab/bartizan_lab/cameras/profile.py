"""What an RTSP server has to know of a camera to stand in for it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamProfile:
    """The streams a model offers, and how its RTSP server presents itself."""

    paths: tuple[str, ...]
    """Paths with their query, the main stream first, as the maker documents them."""
    realm: str
    """Of the digest challenge. Some makers use another than that of their HTTP server."""
    server: str
    """The `Server` header; empty where the camera sends none."""
    codec: str = "H264"
    """As in SDP's `rtpmap`: H264 or H265."""
    width: int = 1920
    height: int = 1080
    frames_per_second: int = 25
