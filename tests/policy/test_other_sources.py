"""Waivers, sites and makers as people write them."""

import pytest

from bartizan.containment.level import Level
from bartizan.ids import Address, DeviceId, Network, OrganisationId, PolicyId, SiteId, WaiverId
from bartizan.policy.errors import PolicyError
from bartizan.policy.model import (
    Condition,
    Maker,
    Operator,
    SegmentFacts,
    Sensitivity,
    SiteFacts,
    Subject,
    Waiver,
)
from bartizan.policy.site_source import read_sites
from bartizan.policy.source import read_makers, read_waivers

WAIVER = """
waivers:
  - waiver: town-hall-2026
    owner: Head of estates
    reason: The recorder is replaced in March
    compensating-control: Own segment, logged
    starts: 2026-01-01
    expires: 2026-03-31T18:00+01:00
    policies: [uk-hcws386]
    level: block-egress
    device: serial:DS-1
    when: {site: town-hall}
"""
SITE = """
sites:
  - site: town-hall
    organisation: council
    sensitivity: ordinary
    tags: [polling-station]
    timezone: Europe/London
    estate-networks: [10.0.0.0/8, "fd00::/8"]
    recorders: [10.1.2.3]
    segments:
      - {interface: eth1, zone: cctv, default-level: quarantine}
      - {interface: eth2}
    device-tags:
      "serial:DS-1": [vip, lobby]
    default-password-check: on
"""
MAKER = """
makers:
  - maker: norsk
    name: Norsk Kamera
    jurisdiction: NO
    brands: [Fjord]
    subject-to: [law]
    listed-by: [list]
    oui: [00:0A:f7, 3446632, 8C1F64F4B]
    source: Register
"""


def test_a_waiver_is_read_whole() -> None:
    assert read_waivers(WAIVER, "w.yaml", policies=("uk-hcws386",)) == (
        Waiver(
            id=WaiverId("town-hall-2026"),
            owner="Head of estates",
            reason="The recorder is replaced in March",
            compensating_control="Own segment, logged",
            starts_at=1_767_225_600.0,
            expires_at=1_774_976_400.0,
            policies=(PolicyId("uk-hcws386"),),
            level=Level.BLOCK_EGRESS,
            device=DeviceId("serial:DS-1"),
            selector=Condition(Subject.SITE, Operator.IS, ("town-hall",)),
        ),
    )


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("expires: 2026-03-31T18:00+01:00", "expires: 2026-03-31T18:00", "has no zone: end it with Z"),
        ("expires: 2026-03-31T18:00+01:00", "expires: tomorrow", "'tomorrow' is no time"),
        ("expires: 2026-03-31T18:00+01:00", "expires: 2025-12-31", "must start before it expires"),
        ("expires: 2026-03-31T18:00+01:00", "expires: 2027-03-31", "lasts longer than 366 days"),
        ("starts: 2026-01-01", "starts: 2026-02-30", "'2026-02-30' is no day of the calendar"),
        (
            "policies: [uk-hcws386]",
            "policies: [uk-hcws368]",
            "there is no policy 'uk-hcws368'; did you mean 'uk-hcws386'?",
        ),
        ("policies: [uk-hcws386]", "policies: []", "names no policy"),
        ("level: block-egress", "level: quarantine", "nothing is excepted"),
        ("    owner: Head of estates\n", "", "this waiver lacks 'owner'"),
        ("    device: serial:DS-1\n    when: {site: town-hall}\n", "", "neither a device nor a condition"),
    ],
)
def test_a_waiver_that_does_not_hold_together_is_refused(before: str, after: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message.replace("?", r"\?")):
        read_waivers(WAIVER.replace(before, after), "w.yaml", policies=("uk-hcws386",))


def test_a_site_is_read_whole() -> None:
    assert read_sites(SITE, "s.yaml") == (
        SiteFacts(
            id=SiteId("town-hall"),
            organisation=OrganisationId("council"),
            sensitivity=Sensitivity.ORDINARY,
            tags=("polling-station",),
            timezone="Europe/London",
            estate_networks=(Network("10.0.0.0/8"), Network("fd00::/8")),
            recorders=(Address("10.1.2.3"),),
            segments=(SegmentFacts("eth1", "cctv", Level.QUARANTINE), SegmentFacts("eth2", "", Level.ISOLATE)),
            device_tags={"serial:DS-1": ("vip", "lobby")},
            default_password_check=True,
        ),
    )


def test_a_site_of_which_little_is_said_is_sensitive() -> None:
    [site] = read_sites("sites: [{site: depot, organisation: council}]", "s.yaml")

    assert site.sensitivity is Sensitivity.SENSITIVE


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("10.0.0.0/8", "0.0.0.0/0", "too wide to be an estate's own"),
        ("10.0.0.0/8", "0.0.0.0/1", "too wide to be an estate's own"),
        ('"fd00::/8"', '"::/0"', "too wide to be an estate's own"),
        ("10.1.2.3", "10.1.2.300", "does not appear to be an IPv4 or IPv6 address"),
        ("interface: eth2", "interface: eth1", "interface 'eth1' stands twice"),
        ("interface: eth2", "interface: 'eth1; drop'", "is no interface"),
        ("Europe/London", "../etc/passwd", "is no time zone"),
        (
            "sensitivity: ordinary",
            "sensitivity: normal",
            "sensitivity 'normal' is not known; possible are: ordinary, sensitive",
        ),
        ("site: town-hall", "site: Town Hall", "is not a name"),
    ],
)
def test_a_site_that_would_open_more_than_it_says_is_refused(before: str, after: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        read_sites(SITE.replace(before, after), "s.yaml")


def test_a_maker_is_read_whole() -> None:
    assert read_makers(MAKER, "m.yaml") == (
        Maker(
            id="norsk",
            name="Norsk Kamera",
            jurisdiction="NO",
            source="Register",
            brands=("Fjord",),
            subject_to=("law",),
            listed_by=("list",),
            oui=("000AF7", "3446632", "8C1F64F4B"),
        ),
    )


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("3446632", "34466", "'34466' is no MAC prefix"),
        ("3446632", "000AF7", "MAC prefix '000AF7' is already in line 3"),
        ("jurisdiction: NO", "jurisdiction: Norway", "two capital letters, not 'Norway'"),
        ("    source: Register\n", "", "this maker lacks 'source'"),
    ],
)
def test_a_maker_that_is_not_sourced_or_spelled_is_refused(before: str, after: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        read_makers(MAKER.replace(before, after), "m.yaml")


def test_two_makers_of_one_name_are_refused() -> None:
    with pytest.raises(PolicyError, match="maker 'a' is already in line 1"):
        read_makers("makers: [{maker: a, name: A, source: x}, {maker: a, name: B, source: y}]", "m.yaml")
