"""Whether a camera, read after an update, is the same camera, runs what it should, and works as before. Pure."""

import enum
from datetime import UTC, datetime

import msgspec

from bartizan.firmware import versions
from bartizan.firmware.model import Image
from bartizan.firmware.versions import Ordering
from bartizan_agent.drivers.contract import CameraState

CLOCK_SECONDS = 120.0
"""How far a camera's clock may be off before its recordings are worth less as evidence."""
_SHIFT_SECONDS = 10.0
_SHIFT_SECONDS_AWAY = 2.0


class Runs(enum.Enum):
    """What a camera turned out to run."""

    NEW = "new"
    """The image."""
    OLD = "old"
    """What it ran before."""
    OTHER = "other"


def runs(image: Image, before: CameraState, now: CameraState) -> Runs:
    """Return what the camera runs now."""
    if is_version(image, now):
        return Runs.NEW
    return Runs.OLD if (now.firmware, now.build_date) == (before.firmware, before.build_date) else Runs.OTHER


def is_version(image: Image, state: CameraState) -> bool:
    """Return whether the camera runs the image's version. A build date that only one side gives does not count."""
    wanted = versions.parse(image.maker, image.version, image.build_date)
    present = versions.parse(image.maker, state.firmware, state.build_date)
    if wanted is None or present is None:
        return image.version.strip() == state.firmware.strip()
    if not wanted.build_date or not present.build_date:
        wanted, present = (msgspec.structs.replace(version, build_date="") for version in (wanted, present))
    return versions.order(image.maker, present, wanted) is Ordering.SAME


def is_same_start(left: CameraState, now: CameraState, *, was_away: bool) -> bool:
    """Return whether the camera has not restarted since `left` was read.

    By its boot identity; where it has none by its uptime; where it does not give that either, by its never having
    been away.
    """
    if left.boot and now.boot:
        return left.boot == now.boot
    if left.up_seconds is None or now.up_seconds is None:
        return not was_away
    if now.up_seconds < left.up_seconds:
        return False
    moved = (now.read_at - now.up_seconds) - (left.read_at - left.up_seconds)
    # Uptimes are whole seconds and answers may be slow; having been away makes less of a shift believable.
    return moved < (_SHIFT_SECONDS_AWAY if was_away else _SHIFT_SECONDS)


def started(state: CameraState) -> str:
    """Return what a camera says of its start, for people and events; empty where it says nothing."""
    if state.boot or state.up_seconds is None:
        return state.boot
    return datetime.fromtimestamp(state.read_at - state.up_seconds, UTC).isoformat(timespec="seconds")


def ailments(before: CameraState, now: CameraState) -> dict[str, str]:
    """Return what worked before and does not now: code and words. What was not known before is not asked for."""
    return _stream(before, now) | _picture(before, now) | _clock(before, now)


def size(state: CameraState) -> str:
    """Return the dimensions of a camera's picture, for people and events; empty where they are not known."""
    return f"{state.picture.width}x{state.picture.height}" if state.picture is not None else ""


def _stream(before: CameraState, now: CameraState) -> dict[str, str]:
    if before.stream is None:
        return {}
    if now.stream is None:
        return {"stream-lost": f"its {before.stream.codec} stream does not come back"}
    if now.stream.codec != before.stream.codec:
        return {"stream-changed": f"its stream is {now.stream.codec}, and was {before.stream.codec}"}
    return {}


def _picture(before: CameraState, now: CameraState) -> dict[str, str]:
    if before.picture is None:
        return {}
    if now.picture is None:
        return {"picture-lost": "it gives no picture"}
    if now.picture != before.picture:
        return {"picture-changed": f"its picture is {size(now)}, and was {size(before)}"}
    return {}


def _clock(before: CameraState, now: CameraState) -> dict[str, str]:
    if before.time_offset is None or now.time_offset is None or abs(before.time_offset) > CLOCK_SECONDS:
        return {}
    if abs(now.time_offset) > CLOCK_SECONDS:
        return {"clock-wrong": f"its clock is off by {now.time_offset:.0f} s"}
    return {}
