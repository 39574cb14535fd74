"""Lists: a filter finds what the same words in a policy would select, page by page, in any order."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.firmware.model import Advisory, Grade
from bartizan.hardening.model import Hardening, Shortfall
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, BootId, DeviceId, Mac, OrganisationId, SiteId
from bartizan.policy import sense
from bartizan.policy.errors import PolicyError
from bartizan.policy.model import (
    All,
    Any,
    Condition,
    Maker,
    Not,
    Operator,
    SegmentFacts,
    Selector,
    Sensitivity,
    SiteFacts,
    Subject,
)
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan_controller import inventory, search
from bartizan_controller.search import DeviceQuery
from bartizan_controller.store import devices, organisations, reported, selection
from bartizan_controller.store.database import Database
from bartizan_controller.store.devices import Filter, Position
from bartizan_controller.store.organisations import Organisation, Site
from tests.conftest import SORTS, MakeDatabase
from tests.controller.gateway import Gateway, report

COUNCIL, TRUST = OrganisationId("council"), OrganisationId("trust")
SITES = tuple(SiteId(name) for name in ("north", "south", "unlisted"))
DAY = 86_400.0
CATALOGUE = Catalogue(
    versions={},
    expires_at=0.0,
    director=DirectorKeys({}),
    makers=(
        Maker("hikvision", "Hikvision", "CN", "test", subject_to=("prc-law",), listed_by=("fcc",)),
        Maker("dahua", "Dahua", "CN", "test", subject_to=("prc-law",)),
        Maker("axis", "Axis", "SE", "test"),
        Maker("obscure", "Obscure", "", "test"),
    ),
    advisories=(
        Advisory("CVE-2021-36260", "t", "hikvision", (), "s", Grade.PUBLISHED, known_exploited_since="2022-01-01"),
    ),
    sites=(
        SiteFacts(
            SITES[0],
            COUNCIL,
            sensitivity=Sensitivity.ORDINARY,
            tags=("school",),
            segments=(SegmentFacts("cam0", "core"),),
            device_tags={"d-3": ("gate",)},
        ),
        SiteFacts(SITES[1], TRUST, tags=("hospital",)),
    ),
)


def a_device(number: int) -> Device:
    """One of many devices that differ in everything a condition can ask about."""
    maker = ("hikvision", "dahua", "axis", "obscure", "nobody-knows", "")[number % 6]
    return Device(
        DeviceId(f"d-{number}"),
        Identity(
            maker=maker,
            brand=("", "HiLook", "Straße")[number % 3],
            kind=list(Kind)[number % 4],
            model=("", "DS-2CD2042WD-I", "IPC_HFW%", "P3265-LV")[number % 4],
            firmware=("", "V5.5.0 build 180326", "V5.7.1 build 220101", "11.11.73", "rubbish")[number % 5],
            serial=f"SN{number:04d}",
            confidence=number * 7 % 101,
        ),
        ("cam0", "cam1")[number % 2],
        macs=(Mac(f"00:00:5e:00:53:{number:02x}"),),
        addresses=(Address(f"192.0.2.{number}"),),
        first_seen=(0.0, 19_000 * DAY, 19_001 * DAY + 5, 19_500 * DAY)[number % 4],
        vulnerabilities=((), ("CVE-2021-36260",), ("CVE-2017-7921", "ven-1"))[number % 3],
        undecided=((), ("CVE-2021-36260",))[number % 7 == 0],
        hardening=(Hardening(), Hardening((Shortfall("no-telnet", "TCP 23"),), ("no-ssh",)))[number % 2],
    )


DEVICES = {
    site: tuple(a_device(number) for number in range(start, start + 40))
    for site, start in zip(SITES, (0, 25, 60), strict=True)
}


@pytest.fixture(scope="module", params=SORTS)
def estate(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[Database]:
    """Three sites of two organisations, one of which the catalogue does not list."""
    with make_database(request.param) as url, Database(url) as database:
        for organisation in (COUNCIL, TRUST):
            database.change(partial(organisations.add_organisation, organisation=Organisation(organisation, "")))
        for (site, found), owner, level in zip(DEVICES.items(), (COUNCIL, TRUST, COUNCIL), Level, strict=False):
            database.change(partial(organisations.add_site, site=Site(site, owner, site)))
            said = report(Gateway(site, Path(), BootId("b")), found, level=level)
            seen = inventory.join(said.devices, said.posture)
            database.change(partial(reported.replace, site=site, organisation=owner, seen=seen, now=1.0))
        yield database


def ask(estate: Database, query: DeviceQuery, limit: int = 1000) -> list[str]:
    """Everything that a query finds, page by page."""
    found: list[str] = []
    after: Position | None = None
    while True:
        page = estate.query(
            partial(search.search, query=query, catalogue=CATALOGUE, scope=None, after=after, limit=limit)
        )
        found += [f"{state.site}/{state.device.id}" for state in page.states]
        if page.next is None:
            return found
        assert page.next != after, "the list does not go on"
        after = search.read_cursor(search.write_cursor(page.next) or "")


def chosen(selector: Selector) -> list[str]:
    """What the reference evaluator selects."""
    decide = selection.decider(selector, CATALOGUE)
    return sorted(f"{site}/{each.id}" for site, found in DEVICES.items() for each in found if decide(site, each))


VALUES: dict[Subject, tuple[str, ...]] = {
    Subject.MAKER: ("hikvision", "Dahua", "nobody-knows", "h*", "*a*"),
    Subject.JURISDICTION: ("CN", "SE", "C?"),
    Subject.SUBJECT_TO: ("prc-law", "prc*"),
    Subject.LISTED_BY: ("fcc", "f?c"),
    Subject.CONFIDENCE: ("0", "50", "93"),
    Subject.BRAND: ("hilook", "STRASSE", "stra*"),
    Subject.KIND: ("camera", "recorder", "other"),
    Subject.MODEL: ("ds-2cd2042wd-i", "DS-*", "ipc_hfw%", "ipc?hfw*", "*_*"),
    Subject.FIRMWARE: ("11.11.73", "V5.*", "V5.7.0", "2020-01-01", "V5.5.0 build 180326"),
    Subject.VULNERABLE_TO: ("cve-2021-36260", "VEN-1", "CVE-*"),
    Subject.KNOWN_EXPLOITED: ("true", "false"),
    Subject.HARDENING: ("no-telnet", "no-ssh"),
    Subject.FIRST_SEEN: ("2022-01-08", "2022-01-09", "2023-01-01"),
    Subject.DEVICE_TAG: ("gate", "g*"),
    Subject.ZONE: ("core", "c*"),
    Subject.SITE: ("north", "unlisted", "*h"),
    Subject.SITE_SENSITIVITY: ("sensitive", "ordinary"),
    Subject.SITE_TAG: ("school", "hosp*"),
    Subject.ORGANISATION: ("council", "t*"),
}


def values_of(subject: Subject, operator: Operator) -> st.SearchStrategy[tuple[str, ...]]:
    if operator is Operator.KNOWN:
        return st.sampled_from((("true",), ("false",)))
    possible = [
        value
        for value in VALUES[subject]
        if not sense.objection(Condition(subject, operator, (value,)))
        and (operator is Operator.MATCHES) == ("*" in value or "?" in value)
    ]
    many = operator in {Operator.IS, Operator.MATCHES}
    return (
        st.lists(st.sampled_from(possible), min_size=1, max_size=2 if many else 1).map(tuple)
        if possible
        else st.nothing()
    )


CONDITIONS = st.one_of(
    [
        values_of(subject, operator).map(lambda values, s=subject, o=operator: Condition(s, o, values))  # type: ignore[misc]
        for subject, operators in sense.OPERATORS.items()
        for operator in sorted(operators, key=lambda each: each.value)
    ]
)
SELECTORS: st.SearchStrategy[Selector] = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Any(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)


@given(selector=SELECTORS)
def test_a_selector_means_in_a_list_what_it_means_in_a_policy(estate: Database, selector: Selector) -> None:
    """Whatever is asked, no device is missed and none is too many."""
    narrow, decide = selection.narrow(selector, CATALOGUE), selection.decider(selector, CATALOGUE)
    rows = estate.query(lambda c: devices.page(c, Filter(), narrow=narrow, limit=1000))

    found = [f"{state.site}/{state.device.id}" for _, state in rows if decide(state.site, state.device)]
    assert sorted(found) == chosen(selector)


@pytest.mark.parametrize(
    ("query", "means"),
    [
        (DeviceQuery(maker=("hikvision", "dahua")), "maker: [hikvision, dahua]"),
        (DeviceQuery(maker=("unknown",)), "maker: {known: false}"),
        (DeviceQuery(maker=("h*",), kind=(Kind.CAMERA,)), "all: [{maker: {matches: h*}}, {kind: camera}]"),
        (DeviceQuery(jurisdiction=("cn",)), "maker.jurisdiction: CN"),
        (DeviceQuery(vulnerable_to=("CVE-2021-36260",)), "vulnerable-to: CVE-2021-36260"),
        (DeviceQuery(firmware_before="2020-01-01"), "firmware: {before: 2020-01-01}"),
        (DeviceQuery(model=("IPC_HFW%",)), "model: IPC_HFW%"),
        (DeviceQuery(first_seen_after="2022-01-08"), "first-seen: {after: 2022-01-08}"),
        (
            DeviceQuery(site=(SITES[0], SITES[2]), where=("not: {brand: hilook}",)),
            "all: [{site: [north, unlisted]}, {not: {brand: hilook}}]",
        ),
    ],
    ids=str,
)
def test_options_are_a_short_way_to_write_a_selector(estate: Database, query: DeviceQuery, means: str) -> None:
    written = ask(estate, DeviceQuery(where=(means,)))

    assert written
    assert ask(estate, query) == written


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (DeviceQuery(name="sn0003"), ["north/d-3"]),
        (DeviceQuery(name="00:00:5E:00:53:03"), ["north/d-3"]),
        (DeviceQuery(name="192.0.2.30"), ["north/d-30", "south/d-30"]),
        (DeviceQuery(name="192.0.2.30", organisation=COUNCIL), ["north/d-30"]),
        (DeviceQuery(text="straße 192.0.2.5", level=Level.WATCH), ["north/d-5"]),
        (
            DeviceQuery(text="%"),
            [f"{site}/{each.id}" for site, found in DEVICES.items() for each in found if "%" in each.identity.model],
        ),
        (DeviceQuery(agrees=False), []),
        (DeviceQuery(lost=True), []),
    ],
    ids=str,
)
def test_devices_are_found_by_what_they_are_called(estate: Database, query: DeviceQuery, expected: list[str]) -> None:
    assert sorted(ask(estate, query)) == sorted(expected)


@pytest.mark.parametrize(
    ("sort", "limit"), list(product(("site", "maker", "model", "firmware", "first-seen"), (2, 50)))
)
def test_pages_join_without_gap_or_repetition(estate: Database, sort: str, limit: int) -> None:
    """In every order, both ways, with pages of any size, filtered in rows or by deciding."""
    for before, expected in ((None, 120), ("2020-01-01", 5)):
        query = DeviceQuery(sort=sort, firmware_before=before)
        forward = ask(estate, query, limit)

        assert len(set(forward)) == len(forward) == expected
        assert ask(estate, DeviceQuery(sort=f"-{sort}", firmware_before=before), limit) == forward[::-1]


def test_a_page_ends_early_where_few_of_many_fit(estate: Database) -> None:
    """It says where to go on, and the pages together have everything."""
    query = DeviceQuery(firmware_before="2020-01-01")
    turn = partial(search.search, query=query, catalogue=CATALOGUE, scope=None, limit=5, examine=10)
    sizes: list[int] = []
    after: Position | None = None
    while True:
        page = estate.query(partial(turn, after=after))
        sizes.append(len(page.states))
        after = page.next
        if after is None:
            break

    assert sum(sizes) == 5
    assert max(sizes) < 5
    assert len(sizes) > 5


def test_an_order_is_the_order(estate: Database) -> None:
    newest = ask(estate, DeviceQuery(sort="-first-seen", maker=("hikvision",), site=(SITES[0],)))

    assert [name.partition("-")[2] for name in newest] == ["6", "30", "18", "36", "24", "12", "0"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (
            DeviceQuery(where=("colour: red",)),
            "no fact 'colour'; possible are: all, any, brand, .* zone",
        ),
        (DeviceQuery(where=("makr: axis",)), "did you mean 'maker'"),
        (DeviceQuery(where=("maker.confidence: 5",)), "at-least, at-most"),
        (DeviceQuery(jurisdiction=("china",)), "two capital letters"),
        (DeviceQuery(first_seen_after="yesterday"), "compared with a date"),
        (DeviceQuery(maker=("*",)), "is like anything"),
        (DeviceQuery(sort="colour"), "sort by one of site, maker"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_with_what_would(estate: Database, query: DeviceQuery, told: str) -> None:
    with pytest.raises((PolicyError, ValueError), match=told):
        ask(estate, query)


@pytest.mark.parametrize("cursor", ["x", "WyJhIl0", "bm8"])
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="begin again without it"):
        search.read_cursor(cursor)
