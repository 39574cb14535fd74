"""A report is taken if its digest is that of its devices and posture, as they were sent or as they are understood."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from bartizan.errors import Malformed
from bartizan.identity.model import Device
from bartizan.ids import DeviceId, SiteId
from bartizan.wire import codec, topics
from bartizan_controller.link.parse import ReadReport, UndecodedReport, parse
from tests.controller.gateway import Gateway, device, report

NORTH = SiteId("north")
SENT = msgspec.to_builtins(report(Gateway(NORTH, Path()), (device(1), device(2))))


def read(sent: bytes, told: Mapping[bytes, DeviceId] | None = None) -> ReadReport:
    said = parse(topics.up(NORTH, "report"), sent)
    assert isinstance(said, UndecodedReport)
    return said.read(told or {})


def devices(found: ReadReport) -> tuple[Device, ...]:
    return tuple(seen.device for seen in found.seen.values())


def test_a_newer_agents_report_is_taken_without_what_it_says_in_addition() -> None:
    """Its digest covers fields that are not known here."""
    newer = {**SENT, "devices": [{**each, "colour": "red"} for each in SENT["devices"]]}
    newer["digest"] = hashlib.sha256(codec.encode((newer["devices"], newer["posture"]))).hexdigest()

    assert devices(read(codec.encode(newer))) == (device(1), device(2))


def test_a_report_is_taken_however_it_is_spaced() -> None:
    spaced = msgspec.json.format(codec.encode(SENT), indent=2)

    assert devices(read(spaced)) == (device(1), device(2))


def test_a_report_that_was_changed_on_the_way_is_refused() -> None:
    with pytest.raises(Malformed, match="digest is not that of"):
        read(codec.encode(SENT).replace(b"hikvision", b"hikvisiom", 1))
