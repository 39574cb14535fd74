"""Messages: what is accepted, what is refused, and that a change of the wire is a decision."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.errors import Malformed
from bartizan.ids import BootId, DeviceId, SiteId
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import EventsAck, OrdersEnvelope
from bartizan.wire.up import DevicePosture, Event, Events, Hello

HELLO = Hello(site=SiteId("north"), boot=BootId("b1"), capability=CAPABILITY, agent_version="0.1.0")


def test_a_message_survives_the_wire() -> None:
    """What is sent is what arrives, and its tag says what it is."""
    assert codec.decode_up(codec.encode(HELLO)) == HELLO
    assert b'"type":"hello"' in codec.encode(HELLO)


def test_equal_messages_have_equal_digests() -> None:
    """The canonical form does not depend on the order in which a dictionary was filled."""
    one = Event(sequence=1, at=0.0, kind="device.found", detail={"a": "1", "b": "2"})
    two = Event(sequence=1, at=0.0, kind="device.found", detail={"b": "2", "a": "1"})

    assert codec.digest(one) == codec.digest(two)


def test_reports_may_carry_more_than_is_known() -> None:
    """A newer agent's extra field is ignored, not refused."""
    newer = codec.encode(HELLO).replace(b'"site"', b'"battery":97,"site"')

    assert codec.decode_up(newer) == HELLO


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'{"type":"lower"}',
        b'{"type":"events-ack","boot":"b","through":1,"also":"open the door"}',
        b'{"type":"events-ack","boot":"b"}',
        b'{"type":"events-ack","boot":"b","through":"many"}',
        b'\xff\xfe{"type":"events-ack"}',
        b'{"type":"orders","envelope":"not base64!"}',
        b"[" * 100_000,
    ],
)
def test_what_the_controller_could_not_have_said_is_refused(data: bytes) -> None:
    """Unknown kinds, unknown fields, missing fields, wrong types, wrong encodings and deep nesting."""
    with pytest.raises(Malformed):
        codec.decode_down(data)


def test_an_oversized_message_is_refused_before_it_is_parsed() -> None:
    """The error says how large it was and how much is accepted."""
    with pytest.raises(Malformed, match="message of 11 octets; at most 10 are accepted"):
        codec.decode_down(b'{"a": "bc"}', limit=10)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_being_refused(data: bytes) -> None:
    """Whatever arrives, the outcome is a message or `Malformed`."""
    with contextlib.suppress(Malformed):
        codec.decode_up(data)


@given(
    st.builds(
        Events,
        site=st.just(SiteId("north")),
        boot=st.text(max_size=20).map(BootId),
        events=st.lists(
            st.builds(
                Event,
                sequence=st.integers(0, 2**60),
                at=st.floats(0, 2e9),
                kind=st.text(max_size=20),
                device=st.none() | st.text(max_size=20).map(DeviceId),
                detail=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4),
            ),
            max_size=5,
        ).map(tuple),
    )
)
def test_any_events_survive_the_wire(events: Events) -> None:
    """Any text an emulated or real camera may have put into an event arrives unchanged."""
    assert codec.decode_up(codec.encode(events)) == events


def test_octets_travel_as_base64() -> None:
    """Envelopes are bytes here and base64 text on the wire."""
    assert codec.encode(OrdersEnvelope(envelope=b"\x00\xff")) == b'{"envelope":"AP8=","type":"orders"}'


def test_levels_are_ordered_from_watch_to_quarantine() -> None:
    """`max` of levels is the tightest."""
    assert max(Level.ISOLATE, Level.WATCH, Level.BLOCK_EGRESS) is Level.ISOLATE
    assert sorted(Level) == [Level.WATCH, Level.BLOCK_EGRESS, Level.ISOLATE, Level.QUARANTINE]


def test_a_level_that_nothing_holds_is_said_so() -> None:
    """Posture tells 'nothing in the kernel' from 'watch'."""
    held = DevicePosture(device=DeviceId("serial:x:1"), wanted=Level.ISOLATE, enforced=None)

    assert b'"enforced":null' in codec.encode(held)


def test_an_acknowledgement_names_its_boot() -> None:
    """Sequences start again at each boot; an acknowledgement for another boot acknowledges nothing of this one."""
    assert codec.decode_down(codec.encode(EventsAck(boot=BootId("b1"), through=7))) == EventsAck(BootId("b1"), 7)
