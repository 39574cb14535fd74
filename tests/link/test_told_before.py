"""What a report tells again is not decoded again, and comes to the same as reading all of it."""

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.errors import Malformed
from bartizan.identity.model import Device
from bartizan.ids import BootId, DeviceId, OrganisationId, SiteId
from bartizan.wire import codec, topics
from bartizan.wire.up import DevicePosture, Report
from bartizan_controller import inventory
from bartizan_controller.link.parse import ReadReport, UndecodedReport, parse
from bartizan_controller.store import counters, devices, history, organisations, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.devices import Filter
from bartizan_controller.store.organisations import Organisation, Site
from tests.controller.gateway import Gateway, device, report

COUNCIL, NORTH = OrganisationId("council"), SiteId("north")
GATEWAY = Gateway(NORTH, Path(), BootId("b"))


def sent(found: tuple[Device, ...], postures: tuple[DevicePosture, ...] | None = None) -> UndecodedReport:
    """Return a report as it comes from the broker."""
    said = report(GATEWAY, found)
    if postures is not None:
        posture = msgspec.structs.replace(said.posture, devices=postures)
        said = msgspec.structs.replace(said, posture=posture, digest=codec.report_digest(found, posture))
    read = parse(topics.up(NORTH, "report"), codec.encode(said))
    assert isinstance(read, UndecodedReport)
    return read


def told(read: ReadReport) -> dict[bytes, DeviceId]:
    return {seen.told: identifier for identifier, seen in read.seen.items() if seen.told}


def test_only_what_is_told_anew_is_decoded() -> None:
    before = sent((device(1), device(2), device(3))).read({})
    after = sent((device(1), device(2, firmware="6"), device(4))).read(told(before))

    assert set(after.seen) == {"serial:0002", "serial:0004"}
    assert after.same == {"serial:0001"}


def test_a_posture_that_changed_is_news_though_its_device_is_as_before() -> None:
    first = sent((device(1),), (DevicePosture(device(1).id, Level.ISOLATE, Level.ISOLATE),)).read({})
    second = sent((device(1),), (DevicePosture(device(1).id, Level.ISOLATE, Level.WATCH),)).read(told(first))

    assert second.same == frozenset()
    assert second.seen[device(1).id].posture == DevicePosture(device(1).id, Level.ISOLATE, Level.WATCH)


def test_postures_in_another_order_or_for_some_devices_only_are_joined_by_name() -> None:
    held = [DevicePosture(device(n).id, Level.ISOLATE, Level.ISOLATE) for n in (1, 2)]

    crossed = sent((device(1), device(2)), (held[1], held[0])).read({})
    assert [seen.posture for seen in crossed.seen.values()] == held
    assert told(crossed) == {}
    assert [seen.posture for seen in sent((device(1), device(2)), (held[1],)).read({}).seen.values()] == [None, held[1]]


def test_a_device_told_as_before_and_otherwise_in_one_report_is_as_otherwise() -> None:
    before = sent((device(1),)).read({})
    read = sent((device(1, firmware="6"), device(1))).read(told(before))

    assert (read.same, read.seen[device(1).id].device.identity.firmware) == (frozenset(), "6")


def test_what_is_news_is_checked_though_the_rest_was_checked_before() -> None:
    before = sent((device(1), device(2))).read({})
    wrong = codec.encode(report(GATEWAY, (device(1), device(3)))).replace(b'"lost":false', b'"lost":"perhaps"')
    digest = codec.digest([msgspec.json.decode(wrong)[part] for part in ("devices", "posture")])
    as_sent = {**msgspec.json.decode(wrong), "digest": digest}
    read = parse(topics.up(NORTH, "report"), codec.encode(as_sent))
    assert isinstance(read, UndecodedReport)

    with pytest.raises(Malformed, match="not a valid Report"):
        read.read(told(before))


@given(st.data())
def test_reading_what_is_new_comes_to_the_same_as_reading_all(data: st.DataObject) -> None:
    numbers = st.lists(st.integers(0, 5), max_size=8, unique=True)
    firmware = st.sampled_from(("5", "6"))
    before, after = (
        tuple(device(n, firmware=data.draw(firmware)) for n in data.draw(numbers, label)) for label in ("old", "new")
    )
    known = sent(before).read({})
    partly = sent(after).read(told(known))
    whole = sent(after).read({})

    assert {**{device: known.seen[device] for device in partly.same}, **partly.seen} == whole.seen
    assert partly.same.isdisjoint(partly.seen)


def test_an_inventory_kept_by_news_alone_is_that_of_the_last_report(database: Database) -> None:
    """Sixty random reports, each read with what is held: the rows, the counters and the past are as if read whole."""
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "Council")))
    database.change(lambda c: organisations.add_site(c, Site(NORTH, COUNCIL, "North")))
    chance = random.Random(11)
    for now in range(1, 61):
        found = tuple(
            device(n, firmware=chance.choice("56"), last_seen=float(now // 20))
            for n in chance.sample(range(9), chance.randrange(9))
        )
        level = chance.choice((Level.WATCH, Level.ISOLATE))
        said = report(GATEWAY, found, level=level)
        take(database, said, float(now))

        kept = database.query(lambda c: devices.page(c, Filter(), limit=100))
        postures = {held.device: held for held in said.posture.devices}
        expected = [(each, postures[each.id]) for each in sorted(found, key=lambda each: each.id)]
        assert [(placed.state.device, placed.state.posture) for placed in kept] == expected
        for each, posture in expected:
            (last,) = database.query(lambda c, each=each: history.of_device(c, NORTH, each.id, limit=1))  # type: ignore[misc]
            assert last.facts == inventory.record(inventory.SeenDevice(each, posture)).facts
    assert database.query(counters.recount) == ()


def take(database: Database, said: Report, now: float) -> None:
    undecoded = parse(topics.up(NORTH, "report"), codec.encode(said))
    assert isinstance(undecoded, UndecodedReport)
    held = database.query(lambda c: reported.told(c, [NORTH])).get(NORTH, {})
    read = undecoded.read({digest: device for device, digest in held.items()})
    database.change(lambda c: reported.replace(c, NORTH, COUNCIL, read.seen, same=read.same, known=held, now=now))
