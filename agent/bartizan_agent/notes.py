"""Notes: events before they are numbered and kept."""

import msgspec

from bartizan.ids import DeviceId

DETAIL_CHARACTERS = 1000  # what a hostile camera says ends up in details


class Note(msgspec.Struct, frozen=True):
    """Something that happened. `kind` is a name of `bartizan.wire.events`, `detail` as described there."""

    kind: str
    device: DeviceId | None
    detail: dict[str, str]


def note(kind: str, device: DeviceId | None = None, **detail: object) -> Note:
    """Return a note; each detail is cut to `DETAIL_CHARACTERS`."""
    return Note(kind, device, {name: str(value)[:DETAIL_CHARACTERS] for name, value in detail.items()})
