"""Devices as CSV for spreadsheets, in which no cell is a formula: much of the text was written by devices."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bartizan_controller.store.devices import DeviceState

COLUMNS = (
    "site",
    "device",
    "kind",
    "maker",
    "confidence",
    "brand",
    "model",
    "firmware",
    "build date",
    "serial",
    "macs",
    "addresses",
    "first seen (UTC)",
    "last seen (UTC)",
    "lost",
    "level wanted",
    "level enforced",
    "as wanted",
    "open to",
    "undecided",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets read full-width signs too


def heading() -> str:
    """Return the first line."""
    return _line(COLUMNS)


def lines(states: Iterable[DeviceState]) -> str:
    """Return a line for each device."""
    return "".join(_line(_cells(state)) for state in states)


def harmless(text: str) -> str:
    """Return text that a spreadsheet shows as it is: with an apostrophe before it if it could be a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _cells(state: DeviceState) -> Sequence[str]:
    device, identity, posture = state.device, state.device.identity, state.posture
    return (
        state.site,
        device.id,
        identity.kind.value,
        identity.maker,
        str(identity.confidence),
        identity.brand,
        identity.model,
        identity.firmware,
        identity.build_date,
        identity.serial,
        " ".join(device.macs),
        " ".join(device.addresses),
        _when(device.first_seen),
        _when(device.last_seen),
        _truth(device.lost),
        posture.wanted.value if posture else "",
        posture.enforced.value if posture and posture.enforced else "",
        _truth(state.agrees),
        " ".join(device.vulnerabilities),
        " ".join(device.undecided),
    )


def _line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([harmless(cell) for cell in cells])
    return line.getvalue()


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") if 0 < seconds < 253_402_300_800 else ""


def _truth(value: bool) -> str:  # noqa: FBT001 - a value, not a switch
    return "yes" if value else "no"
