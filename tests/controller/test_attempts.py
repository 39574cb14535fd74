"""What devices tried to reach: summed over counters that end and begin again, bounded, and told apart from silence."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter
from bartizan.identity.model import Device
from bartizan.ids import Address, BootId, DeviceId, Mac, OrganisationId, SiteId
from bartizan.wire import codec, topics
from bartizan.wire.down import CatalogueBundle, Certificate
from bartizan.wire.up import DROPS_REPORTED, RenewCertificate
from bartizan_controller.attempts import (
    OF_A_DEVICE,
    OF_A_SITE,
    Attempt,
    Gap,
    Held,
    Known,
    Outcome,
    outcome,
    sentence,
    spans,
)
from bartizan_controller.link.intake import commit
from bartizan_controller.link.parse import parse
from bartizan_controller.store import attempts, gateways, organisations, tables
from bartizan_controller.store.database import Database
from bartizan_controller.store.gateways import Gateway as EnrolledGateway
from bartizan_controller.store.organisations import Organisation, Site
from tests.controller.gateway import Gateway, device, report

NORTH, COUNCIL = SiteId("north"), OrganisationId("council")
ONE, TWO = device(1), device(2)
CLOUD = Address("203.0.113.9")


@pytest.fixture
def site(database: Database) -> Database:
    """A database that knows one site."""
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "Council")))
    database.change(lambda c: organisations.add_site(c, Site(NORTH, COUNCIL, "North")))
    return database


def drop(packets: int, *, of: Device = ONE, to: str = CLOUD, protocol: str = "tcp", port: int = 443) -> DropCounter:
    return DropCounter(of.macs[0], Address(to), protocol, port, packets, packets * 60)


def take(site: Database, *drops: DropCounter, now: float, devices: Sequence[Device] = (ONE, TWO)) -> None:
    site.change(lambda c: attempts.take(c, NORTH, devices, drops, now=now))


def tried(site: Database, of: Device = ONE, *, since: float = 0.0) -> list[tuple[str, int, int, float, float]]:
    found = site.query(lambda c: attempts.of_device(c, NORTH, of.id, since=since))
    return [(each.destination, each.port, each.packets, each.first_at, each.last_at) for each in found]


def test_first_and_last_time_and_packets_are_kept_per_destination(site: Database) -> None:
    take(site, drop(3), drop(1, to="198.51.100.7", port=53, protocol="udp"), now=100.0)
    take(site, drop(8), drop(1, to="198.51.100.7", port=53, protocol="udp"), now=200.0)

    assert tried(site) == [(CLOUD, 443, 8, 100.0, 200.0), ("198.51.100.7", 53, 1, 100.0, 100.0)]
    assert tried(site, since=150.0) == [(CLOUD, 443, 8, 100.0, 200.0)]
    assert tried(site, TWO) == []


def test_a_counter_that_began_again_is_added(site: Database) -> None:
    """Even where it comes to the same number: a camera that calls home with three packets every other day."""
    take(site, drop(3), now=100.0)
    take(site, now=200.0)
    take(site, drop(3), now=300.0)
    take(site, drop(2), now=400.0)

    assert tried(site) == [(CLOUD, 443, 8, 100.0, 400.0)]


def test_a_gateway_that_says_when_is_believed_but_not_about_the_future(site: Database) -> None:
    """One that was away for a week tells of it when it is back."""
    timed = msgspec.structs.replace(drop(3), first_at=100.0, last_at=200.0)
    later = msgspec.structs.replace(drop(4), first_at=100.0, last_at=9e9)
    take(site, timed, now=700_000.0)
    assert tried(site) == [(CLOUD, 443, 3, 100.0, 200.0)]

    take(site, later, now=700_001.0)
    assert tried(site) == [(CLOUD, 443, 4, 100.0, 700_001.0)]


def test_where_only_the_busiest_are_reported_the_others_run_on(site: Database) -> None:
    others = [drop(100, of=TWO, to=f"192.0.2.{n % 256}", port=n) for n in range(DROPS_REPORTED)]
    take(site, drop(3), now=100.0)
    take(site, *others, now=200.0)
    take(site, drop(3), now=300.0)

    assert tried(site) == [(CLOUD, 443, 3, 100.0, 100.0)]


def test_what_was_tried_counts_for_the_device_that_has_the_mac(site: Database) -> None:
    """A device that is known by another id from now on; what was counted is not counted twice."""
    renamed = msgspec.structs.replace(ONE, id=DeviceId("serial:renamed"))
    take(site, drop(3), drop(5, of=device(9)), now=100.0)
    take(site, drop(3), now=200.0, devices=(renamed,))
    take(site, drop(4), now=300.0, devices=(renamed,))
    take(site, drop(4), now=400.0, devices=(renamed,))

    assert tried(site) == [(CLOUD, 443, 3, 100.0, 100.0)]
    assert tried(site, renamed) == [(CLOUD, 443, 1, 300.0, 300.0)]
    assert tried(site, device(9)) == []


def test_a_device_that_tries_everything_is_kept_to_what_it_tried_last(site: Database) -> None:
    take(site, drop(1, of=TWO), now=1.0)
    for now in range(2, 8):
        take(site, *(drop(1, to=f"192.0.2.{n}", port=now) for n in range(150)), now=float(now))

    found = site.query(lambda c: attempts.of_device(c, NORTH, ONE.id, since=0.0))
    kept = site.query(lambda c: c.execute(select(func.count()).select_from(tables.attempts)).scalar_one())
    assert Counter(each.port for each in found) == {7: 150, 6: OF_A_DEVICE - 150}
    assert kept == OF_A_DEVICE + 1
    assert tried(site, TWO) == [(CLOUD, 443, 1, 1.0, 1.0)]


def test_a_site_whose_devices_keep_coming_under_other_names_is_kept_to_its_limit(site: Database) -> None:
    """As a gateway in a thief's hands could say."""
    reports = OF_A_SITE // DROPS_REPORTED + 2
    for now in range(reports):
        others = [
            msgspec.structs.replace(ONE, id=DeviceId(f"{now} {n}"), macs=(Mac(f"02:00:00:00:00:{n:02x}"),))
            for n in range(250)
        ]
        drops = [drop(now + 1, of=one, port=port) for one in others for port in (80, 443)]
        take(site, *drops, now=float(now), devices=others)

    rows = site.query(lambda c: c.execute(select(func.count(), func.min(tables.attempts.c.last_at))).one())
    assert tuple(rows) == (OF_A_SITE, 2.0)


@pytest.mark.parametrize(
    "wrong",
    [
        drop(0),
        drop(-5),
        drop(2**63),
        drop(1, port=2**16),
        drop(1, port=-1),
        drop(1, to="nowhere"),
        drop(1, to="203.0.113.9\x00"),
        drop(1, protocol="x" * 17),
        drop(1, protocol="tcp\x00"),
        msgspec.structs.replace(drop(1), mac=Mac("none")),
    ],
)
def test_what_no_packet_has_is_left_out(site: Database, wrong: DropCounter) -> None:
    take(site, wrong, drop(2, to="198.51.100.7"), now=100.0)

    assert tried(site) == [("198.51.100.7", 443, 2, 100.0, 100.0)]


def test_no_sum_is_too_large_for_a_database(site: Database) -> None:
    for now in range(4):
        take(site, drop(2**62 - 1 - now % 2), now=float(now))
        take(site, now=now + 0.5)

    ((_, _, packets, _, last),) = tried(site)
    assert (packets < 2**63, last) == (True, 3.0)


def test_sums_are_what_was_dropped_whatever_order_reports_tell_it_in(site: Database) -> None:
    """A kernel whose counters end and begin again between reports, against adding up."""
    chance = random.Random(11)
    both = {1: ONE, 2: TWO}
    targets = [(number, port) for number in both for port in (80, 443, 8000)]
    kernel: Counter[tuple[int, int]] = Counter()
    dropped: Counter[tuple[int, int]] = Counter()

    def counted() -> list[DropCounter]:
        return [drop(packets, of=both[number], port=port) for (number, port), packets in kernel.items()]

    for now in range(60):
        for target in targets:
            if chance.random() < 0.2:
                del kernel[target]
        take(site, *counted(), now=now + 0.5)
        for target in chance.sample(targets, 3):
            packets = chance.randrange(1, 5)
            kernel[target] += packets
            dropped[target] += packets
        take(site, *counted(), now=now + 1.0)

    assert {(number, row[1]): row[2] for number, one in both.items() for row in tried(site, one)} == dropped


def test_a_report_is_committed_with_what_was_tried(site: Database, tmp_path: Path) -> None:
    site.change(lambda c: gateways.enrol(c, EnrolledGateway(NORTH, "01", "", 0.0)))
    plain = report(Gateway(NORTH, tmp_path, BootId("b")), (ONE,), level=Level.ISOLATE)
    posture = msgspec.structs.replace(plain.posture, drops=(drop(7),))
    digest = codec.report_digest(plain.devices, posture)
    payload = codec.encode(msgspec.structs.replace(plain, posture=posture, digest=digest))

    for now in (50.0, 60.0):
        said = parse(topics.up(NORTH, "report"), payload)
        site.change(lambda c, said=said, now=now: commit(c, [said], catalogue=Empty(), renew=nobody, now=now))  # type: ignore[misc]

    assert tried(site) == [(CLOUD, 443, 7, 50.0, 50.0)]


class Empty:
    """The catalogue of an estate that has published nothing."""

    versions: dict[str, int] = {}  # noqa: RUF012 - an attribute of the interface

    def serves(self, gateway: SiteId) -> SiteId:
        return gateway

    def standbys(self, site: SiteId) -> tuple[SiteId, ...]:  # noqa: ARG002
        return ()

    def bundle_since(self, held: dict[str, int]) -> CatalogueBundle:  # noqa: ARG002
        return CatalogueBundle({})


def nobody(_connection: Connection, _asked: RenewCertificate) -> Certificate:
    raise AssertionError("nobody asked for a certificate")


HELD = Held(0.0, None, Level.ISOLATE)
TRIED = (Attempt(ONE.macs[0], CLOUD, "tcp", 443, 3, 100.0, 200.0),)
GAP = Gap(120.0, 130.0, "the gateway was restarted")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Known(TRIED, (HELD,)), Outcome.DROPPED),
        (Known(TRIED, (), connected=False), Outcome.DROPPED),
        (Known(TRIED, (HELD,), gaps=(GAP,)), Outcome.DROPPED),
        (Known((), (HELD,), unlisted=7), Outcome.DROPPED),
        (Known((), (HELD,)), Outcome.UNATTEMPTED),
        (Known((), (HELD,), connected=False), Outcome.NOT_MEASURED),
        (Known((), (HELD,), gaps=(GAP,)), Outcome.NOT_MEASURED),
        (Known((), ()), Outcome.NOT_HELD),
        (Known((), (), gaps=(GAP,)), Outcome.NOT_HELD),
        (Known((), (Held(0.0, None, Level.WATCH),)), Outcome.NOT_HELD),
        (Known((), (Held(120.0, None, Level.ISOLATE), Held(0.0, 120.0, None))), Outcome.NOT_HELD),
        (Known((), (Held(120.0, None, Level.ISOLATE),)), Outcome.NOT_HELD),
        (Known((), (Held(120.0, None, Level.ISOLATE), Held(0.0, 120.0, Level.QUARANTINE))), Outcome.UNATTEMPTED),
    ],
)
def test_having_tried_nothing_is_not_a_block_and_not_having_been_held_or_measured_is_neither(
    known: Known, expected: Outcome
) -> None:
    assert outcome(known, since=100.0) is expected


def test_words_say_what_nobody_could_have_counted() -> None:
    around = msgspec.structs.replace(HELD, around="it shares cam0 with 2 other devices")

    assert "not the same as a block" in sentence(Known((), (HELD,)), since=1.0)
    assert "does not pass the gateway" in sentence(Known((), (around,)), since=1.0)
    assert "does not pass the gateway" not in sentence(Known(TRIED, (HELD,)), since=1.0)
    assert "for part of that time" in sentence(Known(TRIED), since=1.0).lower()
    assert "gateway is away" in sentence(Known(TRIED, (HELD,), connected=False), since=1.0)
    assert "did not measure" in sentence(Known((), (HELD,), gaps=(GAP,)), since=1.0)
    assert "did not measure" in sentence(Known(TRIED, (HELD,), gaps=(GAP,)), since=1.0)
    assert "7 packets to other destinations" in sentence(Known(TRIED, (HELD,), unlisted=7), since=1.0)


def test_neighbouring_times_that_are_alike_are_one() -> None:
    told = spans((Held(30.0, None, Level.ISOLATE), Held(20.0, 30.0, Level.ISOLATE), Held(10.0, 20.0, None)))

    assert told == (Held(20.0, None, Level.ISOLATE), Held(10.0, 20.0, None))
