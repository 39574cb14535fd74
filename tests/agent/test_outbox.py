"""The outbox: nothing is forgotten before it is acknowledged, and a full disk stops nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.ids import BootId, DeviceId, SiteId
from bartizan.wire import codec, events
from bartizan.wire.up import Event
from bartizan_agent import outbox as outbox_module
from bartizan_agent.losses import Losses
from bartizan_agent.notes import DETAIL_CHARACTERS, note
from bartizan_agent.outbox import Outbox
from bartizan_agent.store import open_store, open_volatile, set_aside_if_damaged, transaction
from tests.agent.moving_clock import MovingClock

CAMERA = DeviceId("camera-1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_store(tmp_path / "agent.sqlite", [outbox_module.SCHEMA])) as connection:
        yield connection


def outbox(
    store: sqlite3.Connection,
    boot: str = "b1",
    limit_octets: int = 1_000_000,
    losses: Losses | None = None,
    *,
    is_durable: bool = True,
) -> Outbox:
    return Outbox(
        store,
        MovingClock(),
        site=SiteId("north"),
        boot=BootId(boot),
        limit_octets=limit_octets,
        losses=losses,
        is_durable=is_durable,
    )


def write_in_vain(store: sqlite3.Connection, box: Outbox) -> None:
    """Write as part of a transaction that fails."""
    with suppress(ZeroDivisionError), transaction(store):
        box.write(note(events.LEVEL_CHANGED))
        raise ZeroDivisionError


def kinds(box: Outbox) -> list[str]:
    head = box.head(1000)
    return [event.kind for event in head.events] if head else []


def test_events_are_numbered_from_one_in_the_order_they_happened(store: sqlite3.Connection) -> None:
    box = outbox(store)
    box.record(note(events.AGENT_STARTED, version="0.1.0"))
    box.record(note(events.DEVICE_FOUND, CAMERA), note(events.LEVEL_CHANGED, CAMERA, before="watch", after="isolate"))
    head = box.head()

    assert head
    assert [(event.sequence, event.kind) for event in head.events] == [
        (1, "agent.started"),
        (2, "device.found"),
        (3, "level.changed"),
    ]
    assert head.events[2].detail == {"before": "watch", "after": "isolate"}


def test_what_is_acknowledged_is_forgotten_and_the_rest_stays(store: sqlite3.Connection) -> None:
    box = outbox(store)
    for _ in range(5):
        box.record(note(events.DEVICE_FOUND))
    box.acknowledge(BootId("b1"), 3)
    box.acknowledge(BootId("b1"), 2)
    box.acknowledge(BootId("never-seen"), 100)
    head = box.head()

    assert head
    assert [event.sequence for event in head.events] == [4, 5]
    assert box.pending() == 2


def test_an_earlier_start_is_heard_out_first(store: sqlite3.Connection) -> None:
    outbox(store, "b1").record(note(events.AGENT_STARTED), note(events.DEVICE_FOUND))
    second = outbox(store, "b2")
    second.record(note(events.AGENT_STARTED))
    first_head = second.head()
    second.acknowledge(BootId("b1"), 2)
    second_head = second.head()

    assert first_head
    assert second_head
    assert (first_head.boot, len(first_head.events)) == ("b1", 2)
    assert (second_head.boot, second_head.events[0].sequence) == ("b2", 1)


def test_a_batch_is_bounded(store: sqlite3.Connection) -> None:
    box = outbox(store)
    box.record(*[note(events.DEVICE_FOUND)] * 250)
    head = box.head()

    assert head
    assert len(head.events) == 100


def test_what_a_camera_says_is_cut(store: sqlite3.Connection) -> None:
    box = outbox(store)
    box.record(note(events.MESSAGE_REFUSED, CAMERA, reason="x" * 100_000))
    head = box.head()

    assert head
    assert len(head.events[0].detail["reason"]) == DETAIL_CHARACTERS


def test_a_full_disk_loses_events_but_counts_them_and_says_so_when_there_is_room(store: sqlite3.Connection) -> None:
    box = outbox(store)
    box.record(note(events.AGENT_STARTED))
    pages: int = store.execute("PRAGMA page_count").fetchone()[0]
    store.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(200):
        box.record(note(events.DEVICE_FOUND, CAMERA, reason="x" * 500))
    kept = box.pending()
    store.execute("PRAGMA max_page_count = 1000000")
    box.record(note(events.CONTAINMENT_APPLIED))
    last = box.head(1000).events[-2:]  # type: ignore[union-attr]

    assert 1 < kept < 200
    assert [event.kind for event in last] == [events.STORE_FULL, events.CONTAINMENT_APPLIED]
    assert last[0].detail == {"reason": "database or disk is full", "lost": str(201 - kept)}
    assert [event.sequence for event in last] == [kept + 1, kept + 2]


def test_what_is_lost_is_not_forgotten_by_a_caller_that_fails_to_commit(store: sqlite3.Connection) -> None:
    """The caller's transaction may still find the disk full after the outbox has done its part."""
    box = outbox(store)
    box.record(note(events.AGENT_STARTED))
    store.execute("PRAGMA max_page_count = 1")
    box.record(*[note(events.DEVICE_FOUND, reason="x" * 1000)] * 20)
    store.execute("PRAGMA max_page_count = 1000000")

    def fail() -> None:
        with transaction(store):
            box.write(note(events.LEVEL_CHANGED))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    box.record(note(events.CONTAINMENT_APPLIED))
    head = box.head()

    assert head
    told = [(event.sequence, event.kind, event.detail.get("lost")) for event in head.events]
    assert told == [
        (1, events.AGENT_STARTED, None),
        (2, events.STORE_FULL, "20"),
        (3, events.CONTAINMENT_APPLIED, None),
    ]


def test_what_is_lost_is_told_with_the_next_transaction_of_a_caller_whose_last_one_failed(
    store: sqlite3.Connection,
) -> None:
    """Nor is a number used for what was never kept: a gap would look like evidence that somebody took away."""
    box = outbox(store)
    box.record(note(events.AGENT_STARTED))
    store.execute("PRAGMA max_page_count = 1")
    box.record(*[note(events.DEVICE_FOUND, reason="x" * 1000)] * 20)
    store.execute("PRAGMA max_page_count = 1000000")
    write_in_vain(store, box)
    with transaction(store):
        box.write(note(events.CONTAINMENT_APPLIED))
        box.write(note(events.LEVEL_CHANGED))
    head = box.head()

    assert head
    assert [(event.sequence, event.kind, event.detail.get("lost")) for event in head.events] == [
        (1, events.AGENT_STARTED, None),
        (2, events.STORE_FULL, "20"),
        (3, events.CONTAINMENT_APPLIED, None),
        (4, events.LEVEL_CHANGED, None),
    ]


def test_losses_are_told_on_a_quiet_site_too(store: sqlite3.Connection) -> None:
    """Nothing else happens once there is room."""
    box = outbox(store)
    box.record(note(events.AGENT_STARTED))
    box.tell_losses()
    assert kinds(box) == [events.AGENT_STARTED]
    store.execute("PRAGMA max_page_count = 1")
    box.record(*[note(events.DEVICE_FOUND, reason="x" * 1000)] * 20)
    box.tell_losses()
    store.execute("PRAGMA max_page_count = 1000000")
    box.tell_losses()
    box.tell_losses()

    assert kinds(box) == [events.AGENT_STARTED, events.STORE_FULL]


def test_a_number_is_never_used_twice_whichever_transactions_of_a_caller_fail(store: sqlite3.Connection) -> None:
    box = outbox(store)
    with transaction(store):
        box.write(note(events.AGENT_STARTED))
    write_in_vain(store, box)
    box.record(note(events.CONTAINMENT_APPLIED))
    head = box.head()

    assert head
    assert [(event.sequence, event.kind) for event in head.events] == [
        (1, events.AGENT_STARTED),
        (2, events.CONTAINMENT_APPLIED),
    ]


def test_what_was_lost_is_told_by_the_next_start_if_the_agent_is_killed_before_there_is_room(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "events-lost"
    box = outbox(store, losses=Losses(file))
    box.record(note(events.AGENT_STARTED))
    store.execute("PRAGMA max_page_count = 1")
    for _ in range(7):
        box.record(*[note(events.DEVICE_FOUND, reason="x" * 1000)] * 20)
    store.execute("PRAGMA max_page_count = 1000000")
    box = outbox(store, "b2", losses=Losses(file))
    box.record(note(events.AGENT_STARTED))
    box = outbox(store, "b3", losses=Losses(file))
    box.record(note(events.AGENT_STARTED))
    told = [
        event.detail
        for (row,) in store.execute("SELECT event FROM outbox ORDER BY boot_number, sequence")
        if (event := codec.decode(row, Event)).kind == events.STORE_FULL
    ]

    assert told == [{"reason": outbox_module.LOST_EARLIER, "lost": "140"}]


def test_what_waits_in_memory_counts_as_lost_until_it_is_acknowledged(tmp_path: Path) -> None:
    """The agent began on a full disk: if it is killed, all that it has noted since goes with it."""
    file = tmp_path / "events-lost"
    Losses(file).keep(3)
    with closing(open_volatile([outbox_module.SCHEMA])) as memory:
        box = outbox(memory, losses=Losses(file), is_durable=False)
        box.record(*[note(events.DEVICE_FOUND)] * 5)
        assert Losses(file).earlier == 3 + 1 + 5  # and that three were lost
        box.acknowledge(BootId("b1"), 6)
        assert Losses(file).earlier == 3


@pytest.mark.parametrize("content", [b"", b"rubbish", b"-1", b"\xff" * 100])
def test_a_damaged_count_of_losses_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "events-lost"
    file.write_bytes(content)

    assert Losses(file).earlier == 0
    Losses(file).keep(7)
    assert Losses(file).earlier == 7


def test_too_many_events_are_thinned_with_those_first_that_reports_repeat(store: sqlite3.Connection) -> None:
    box = outbox(store, limit_octets=65536)
    box.record(note(events.LEVEL_CHANGED, CAMERA, because="the oldest"))
    for _ in range(1000):
        box.record(note(events.DEVICE_CHANGED, CAMERA, field="firmware", before="1", after="2"))
    octets = store.execute("SELECT SUM(LENGTH(event)) FROM outbox").fetchone()[0]

    assert octets <= 65536
    assert kinds(box)[0] == events.LEVEL_CHANGED
    assert events.STORE_FULL in kinds(box)


def test_thinning_takes_the_oldest_of_the_rest_when_nothing_else_is_left(store: sqlite3.Connection) -> None:
    box = outbox(store, limit_octets=65536)
    for number in range(1000):
        box.record(note(events.LEVEL_CHANGED, CAMERA, because=str(number)))
    head = box.head(2000)

    assert head
    assert head.events[0].detail["because"] != "0"
    assert head.events[-1].detail["because"] == "999"


@settings(max_examples=30)
@given(st.lists(st.one_of(st.integers(1, 20), st.sampled_from(["acknowledge", "restart"])), max_size=20))
def test_every_event_is_said_until_acknowledged_and_never_under_two_numbers(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    """Whatever the order of recording, acknowledging and restarting, the controller gets each event exactly once."""
    path = tmp_path_factory.mktemp("outbox") / "agent.sqlite"
    boots, recorded, committed = 1, 0, []
    with closing(open_store(path, [outbox_module.SCHEMA])) as store:
        box = outbox(store, "b1")
        for step in [*steps, *["acknowledge"] * 50]:
            if step == "restart":
                boots += 1
                box = outbox(store, f"b{boots}")
            elif step == "acknowledge":
                head = box.head(7)
                if head:
                    committed += [event.detail["n"] for event in head.events]
                    box.acknowledge(head.boot, head.events[-1].sequence)
            elif isinstance(step, int):
                box.record(*[note(events.DEVICE_FOUND, n=recorded + i) for i in range(step)])
                recorded += step

    assert committed == [str(n) for n in range(recorded)]


def test_a_start_without_a_disk_leaves_its_events_there_once_there_is_one(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "agent.sqlite", [outbox_module.SCHEMA])) as before:
        outbox(before, "b1").record(note(events.AGENT_STARTED))
    with closing(open_volatile([outbox_module.SCHEMA])) as volatile:
        meanwhile = outbox(volatile, "b2")
        meanwhile.record(note(events.STORE_DAMAGED), note(events.DEVICE_FOUND))
        meanwhile.acknowledge(BootId("b2"), 1)
        outbox_module.move(volatile, tmp_path / "agent.sqlite")
        assert meanwhile.pending() == 0
    with closing(open_store(tmp_path / "agent.sqlite", [outbox_module.SCHEMA])) as after:
        box = outbox(after, "b3")
        assert kinds(box) == [events.AGENT_STARTED]
        box.acknowledge(BootId("b1"), 1)
        head = box.head()

    assert head
    assert (head.boot, [(event.sequence, event.kind) for event in head.events]) == ("b2", [(2, events.DEVICE_FOUND)])


def test_a_disk_that_refuses_takes_no_event_from_memory(tmp_path: Path) -> None:
    with closing(open_volatile([outbox_module.SCHEMA])) as volatile:
        meanwhile = outbox(volatile)
        meanwhile.record(note(events.DEVICE_FOUND))
        with pytest.raises(sqlite3.OperationalError):
            outbox_module.move(volatile, tmp_path)  # a folder is no file to write to
        assert meanwhile.pending() == 1


def test_a_damaged_store_is_set_aside_and_a_sound_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    with closing(open_store(path, [outbox_module.SCHEMA])) as store:
        outbox(store).record(note(events.AGENT_STARTED))
    sound = set_aside_if_damaged(path)
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
    aside = set_aside_if_damaged(path)

    assert sound is None
    assert aside
    assert aside.name == "agent.sqlite.damaged-1"
    assert not path.exists()
