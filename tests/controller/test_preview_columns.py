"""A preview by columns is the preview that judges device by device, whatever is signed, ordered, seen and changed."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from bartizan.containment.level import Level
from bartizan.firmware.model import Advisory, AffectedRule, Grade
from bartizan.hardening.model import Hardening, Shortfall
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, DeviceId, OrganisationId, PolicyId, SiteId
from bartizan.policy.model import (
    All,
    Condition,
    FirmwareDuty,
    HardeningDuty,
    Not,
    Operator,
    Policy,
    Rule,
    SegmentFacts,
    Sensitivity,
    SiteFacts,
    Subject,
)
from bartizan.policy.preview import Preview
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import OrderBook
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.up import DevicePosture
from bartizan_controller import inventory
from bartizan_controller.access import Scope
from bartizan_controller.catalogue.repository import Outlook
from bartizan_controller.preview import columns, estate
from bartizan_controller.preview.outlook import Previews
from bartizan_controller.store import (
    books,
    events,
    gateways,
    organisations,
    reported,
    tables,
)
from bartizan_controller.store.database import Database
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.store.organisations import Organisation, Site
from tests.conftest import SORTS, MakeDatabase
from tests.policy.test_evaluate_against_reference import BOOKS, DEVICES, NOW, POLICIES, SITES, WAIVERS, catalogue

ORGANISATIONS = (OrganisationId("council"), OrganisationId("school"))
HQ, DEPOT, EMPTY = SiteId("hq"), SiteId("depot"), SiteId("empty")
WHERE = {DEPOT: ORGANISATIONS[1], EMPTY: ORGANISATIONS[0], HQ: ORGANISATIONS[0]}
FLAW = Advisory("CVE-1", "t", "hikvision", (AffectedRule(("hikvision", "Axis")),), "s", Grade.PUBLISHED)
HARDENINGS = st.sampled_from(
    [
        Hardening(),
        Hardening((Shortfall(HardeningDuty.NO_TELNET.value, "port 23 answers"),)),
        Hardening(met=(HardeningDuty.NO_TELNET.value,)),
    ]
)
MORE_CONDITIONS = st.sampled_from(
    [
        Condition(Subject.HARDENING, Operator.IS, ("no-telnet",)),
        Condition(Subject.FIRST_SEEN, Operator.AFTER, ("1970-01-01",)),
        Condition(Subject.FIRMWARE, Operator.BEFORE, ("2.0",)),
        Condition(Subject.KNOWN_EXPLOITED, Operator.IS, ("true",)),
        Condition(Subject.DEVICE_TAG, Operator.IS, ("vip",)),
    ]
)
MORE_RULES = st.builds(
    lambda one, other, level, within: Rule(
        "m", All((one, Not(other))), "b", level, FirmwareDuty(within) if within else None
    ),
    MORE_CONDITIONS,
    MORE_CONDITIONS,
    st.sampled_from(Level),
    st.sampled_from([0, 7, 30]),
)
CATALOGUES = st.builds(
    lambda policies, waivers, rule, site, flaws: msgspec.structs.replace(
        catalogue((*policies, Policy(PolicyId("more"), "m", 1, CAPABILITY, (rule,))), waivers),
        sites=site,
        advisories=flaws,
    ),
    POLICIES,
    WAIVERS,
    MORE_RULES,
    st.sampled_from([(), (SiteFacts(DEPOT, ORGANISATIONS[1], recorders=(Address("10.0.0.5"),)),)])
    | SITES.map(lambda site: (site,)),
    st.sampled_from([(), (FLAW,)]),
)
FOUND = st.lists(
    st.builds(
        lambda device, name, hardened, first, address: msgspec.structs.replace(
            device, id=DeviceId(name), hardening=hardened, first_seen=first, addresses=(Address(address),)
        ),
        DEVICES,
        st.sampled_from("abcdefg"),
        HARDENINGS,
        st.sampled_from([0.0, 10.0, 90_000.0]),
        st.sampled_from(["10.0.0.5", "10.0.0.6"]),
    ),
    max_size=7,
    unique_by=lambda device: device.id,
).map(tuple)
ESTATES = st.fixed_dictionaries({HQ: FOUND, DEPOT: FOUND})
SCOPES = st.sampled_from([None, frozenset(ORGANISATIONS[:1])])


@pytest.fixture(scope="module", params=SORTS)
def database(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[Database]:
    with make_database(request.param) as url, Database(url) as opened:
        for organisation in ORGANISATIONS:
            opened.change(lambda c, it=organisation: organisations.add_organisation(c, Organisation(it, it)))  # type: ignore[misc]
        for site, organisation in WHERE.items():
            place = Site(site, organisation, site)
            opened.change(lambda c, it=place: organisations.add_site(c, it))  # type: ignore[misc]
            if site != EMPTY:
                gateway = Gateway(site, "00", "key", NOW, connected=site == HQ, capability=2)
                opened.change(lambda c, it=gateway: gateways.enrol(c, it))  # type: ignore[misc]
        yield opened


@pytest.fixture(scope="module")
def previews(database: Database) -> Iterator[Previews]:
    """One for all examples: what it keeps of the last one must not show in the next. It forgets sorts all the time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(columns, "UNUSED_SORTS", 3)
        made = Previews()
        yield made
        kept = made._columns
        assert len(kept.sorts.all) <= sum(len(site.devices) for site in kept.sites.values()) + 3


def report(database: Database, site: SiteId, found: tuple[Device, ...]) -> None:
    """Have a site reported as a gateway would: everything of it, with the digest of that."""
    postures = tuple(
        DevicePosture(
            device.id,
            Level.WATCH,
            Level.WATCH,
            not_enforceable_because="shares a switch" if device.interface == "eth2" else "",
        )
        for device in found
    )
    seen = {device.id: inventory.SeenDevice(device, posture) for device, posture in zip(found, postures, strict=True)}
    mark = {"report_digest": str((found, postures))}
    database.change(lambda c: reported.replace(c, site, WHERE[site], seen, now=NOW))
    database.change(lambda c: c.execute(tables.gateways.update().where(tables.gateways.c.site == site).values(mark)))


def order(database: Database, given: tuple[OrderBook, ...]) -> None:
    database.change(lambda c: c.execute(delete(tables.orders)))
    number = 0
    for book in given:
        for each in book.orders:
            named = msgspec.structs.replace(each, id=f"o{(number := number + 1)}")
            database.change(lambda c, it=named, site=book.site: books.add_orders(c, site, (it,), given_by="s", now=NOW))  # type: ignore[misc]


def both(
    database: Database, previews: Previews, present: Catalogue, proposed: Catalogue, *, scope: Scope, limit: int
) -> tuple[Preview, Preview]:
    outlook = Outlook(proposed, 3)
    return (
        database.query(lambda c: previews.of_estate(c, present, outlook, scope, at=NOW, limit=limit)),
        database.query(lambda c: estate.of_estate(c, present, outlook, scope, at=NOW, limit=limit)),
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=ESTATES,
    signed=st.tuples(CATALOGUES, CATALOGUES),
    given_orders=BOOKS,
    scope=SCOPES,
    limit=st.sampled_from([0, 2, 100]),
)
def test_columns_say_what_the_reference_says(
    database: Database,
    previews: Previews,
    found: dict[SiteId, tuple[Device, ...]],
    signed: tuple[Catalogue, Catalogue],
    given_orders: tuple[OrderBook, ...],
    *,
    scope: Scope,
    limit: int,
) -> None:
    for site, seen in found.items():
        report(database, site, seen)
    order(database, given_orders)

    by_column, by_device = both(database, previews, *signed, scope=scope, limit=limit)
    assert by_column == by_device


def test_streams_are_those_of_the_gateways_latest_word(database: Database, previews: Previews) -> None:
    """Also where a gateway told of channels after the estate was read, and the site itself did not change."""
    recorder, camera = (
        Device(DeviceId(name), Identity("hikvision", kind=Kind.CAMERA), "eth1", addresses=(Address(address),))
        for name, address in (("nvr", "10.0.0.6"), ("cam", "10.0.0.7"))
    )
    report(database, HQ, (camera, recorder))
    order(database, ())
    when = Condition(Subject.MAKER, Operator.IS, ("hikvision",))
    rule = Rule("r", when, "b", Level.ISOLATE)
    proposed = catalogue((Policy(PolicyId("p"), "p", 1, 1, (rule,)),), ())
    before, expected_before = both(database, previews, catalogue((), ()), proposed, scope=None, limit=9)
    told = RecordedEvent(HQ, NOW, NOW, "recorder.channels", {"cameras": "cam gone"}, recorder.id)
    database.change(lambda c: events.add(c, [told]))
    after, expected_after = both(database, previews, catalogue((), ()), proposed, scope=None, limit=9)

    assert (before, after) == (expected_before, expected_after)
    assert [(each.recorder, each.camera) for each in after.lost_streams] == [("nvr", "cam")]
    assert before.lost_streams == ()


def a_camera(name: str, interface: str = "eth1", **also: Any) -> Device:
    """Return a camera that differs from the others in one thing."""
    known = Identity("hikvision", "hikvision", Kind.CAMERA, "DS-1", "V5.4.0", confidence=50)
    identity = {key: value for key, value in also.items() if key in Identity.__struct_fields__}
    rest = {key: value for key, value in also.items() if key not in identity}
    return Device(DeviceId(name), msgspec.structs.replace(known, **identity), interface, **rest)


def rule_for(*condition: Any) -> Catalogue:
    subject, operator, *values = condition
    rule = Rule("r", Condition(subject, operator, tuple(values)), "b", Level.QUARANTINE)
    signed = catalogue((Policy(PolicyId("p"), "p", 1, 1, (rule,)),), ())
    elsewhere = Sensitivity.ORDINARY if subject is Subject.SITE_SENSITIVITY else Sensitivity.SENSITIVE
    zoned = (SegmentFacts("eth1", "cctv", Level.WATCH), SegmentFacts("eth2", "door", Level.WATCH))
    sites = (
        SiteFacts(HQ, WHERE[HQ], Sensitivity.SENSITIVE, ("old",), segments=zoned, device_tags={"a": ("vip",)}),
        SiteFacts(DEPOT, WHERE[DEPOT], elsewhere, ("new",), segments=zoned),
    )
    exploited = msgspec.structs.replace(FLAW, rules=(), known_exploited_since="2024-01-01")
    return msgspec.structs.replace(signed, sites=sites, advisories=(exploited,))


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        ((Subject.MAKER, Operator.IS, "axis"), {"maker": "axis"}),
        ((Subject.JURISDICTION, Operator.IS, "SE"), {"maker": "axis"}),
        ((Subject.LISTED_BY, Operator.IS, "ndaa"), {"maker": "axis"}),
        ((Subject.SUBJECT_TO, Operator.KNOWN, "false"), {"maker": "nobody"}),
        ((Subject.CONFIDENCE, Operator.AT_LEAST, "51"), {"confidence": 51}),
        ((Subject.BRAND, Operator.IS, "annke"), {"brand": "Annke"}),
        ((Subject.KIND, Operator.IS, "recorder"), {"kind": Kind.RECORDER}),
        ((Subject.MODEL, Operator.MATCHES, "DS-2*"), {"model": "DS-2"}),
        ((Subject.FIRMWARE, Operator.AT_LEAST, "V5.5.0"), {"firmware": "V5.5.0"}),
        ((Subject.FIRMWARE, Operator.BEFORE, "2020-01-01"), {"build_date": "2019-01-01"}),
        ((Subject.VULNERABLE_TO, Operator.IS, "CVE-9"), {"vulnerabilities": ("CVE-9",)}),
        ((Subject.VULNERABLE_TO, Operator.KNOWN, "true"), {"firmware": ""}),
        ((Subject.KNOWN_EXPLOITED, Operator.KNOWN, "false"), {"undecided": ("CVE-1",)}),
        ((Subject.HARDENING, Operator.IS, "no-telnet"), {"hardening": Hardening((Shortfall("no-telnet", "x"),))}),
        ((Subject.FIRST_SEEN, Operator.AFTER, "1970-01-02"), {"first_seen": 200_000.0}),
        ((Subject.FIRST_SEEN, Operator.KNOWN, "true"), {"first_seen": 10.0}),
        ((Subject.ZONE, Operator.IS, "door"), {"interface": "eth2"}),
    ],
    ids=str,
)
def test_devices_that_one_condition_tells_apart_are_told_apart(
    database: Database, previews: Previews, condition: tuple[Any, ...], other: dict[str, Any]
) -> None:
    report(database, HQ, (a_camera("b"), a_camera("c", **other)))
    report(database, DEPOT, ())
    order(database, ())
    nothing = msgspec.structs.replace(rule_for(*condition), policies=())
    by_column, by_device = both(database, previews, nothing, rule_for(*condition), scope=None, limit=9)

    assert by_column == by_device
    assert by_column.total.tighten == 1


@pytest.mark.parametrize(
    "condition",
    [
        (Subject.SITE, Operator.IS, "hq"),
        (Subject.SITE_SENSITIVITY, Operator.IS, "sensitive"),
        (Subject.SITE_TAG, Operator.IS, "old"),
        (Subject.ORGANISATION, Operator.IS, "council"),
        (Subject.DEVICE_TAG, Operator.IS, "vip"),
    ],
    ids=str,
)
def test_sites_that_one_condition_tells_apart_are_told_apart(
    database: Database, previews: Previews, condition: tuple[Any, ...]
) -> None:
    for site in (HQ, DEPOT):
        report(database, site, (a_camera("a"),))
    order(database, ())
    nothing = msgspec.structs.replace(rule_for(*condition), policies=())
    by_column, by_device = both(database, previews, nothing, rule_for(*condition), scope=None, limit=9)

    assert by_column == by_device
    assert list(by_column.sites) == [HQ]


def test_strangers_are_held_as_their_own_segment_says(database: Database, previews: Previews) -> None:
    """Who is a stranger changes with the list of makers alone."""
    report(database, HQ, (a_camera("a", "eth1"), a_camera("b", "eth2"), a_camera("c", maker="axis")))
    report(database, DEPOT, ())
    order(database, ())
    facts = SiteFacts(
        HQ, WHERE[HQ], segments=(SegmentFacts("eth1", "", Level.QUARANTINE), SegmentFacts("eth2", "", Level.ISOLATE))
    )
    present = msgspec.structs.replace(catalogue((), ()), sites=(facts,))
    proposed = msgspec.structs.replace(present, makers=tuple(m for m in present.makers if m.id != "hikvision"))
    by_column, by_device = both(database, previews, present, proposed, scope=None, limit=9)

    assert by_column == by_device
    assert by_column.moves == {"watch -> quarantine": 1, "watch -> isolate": 1}
