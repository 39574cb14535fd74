"""CSAF 2.0 documents become drafts, with everything in them that a person must read. The documents are synthetic."""

from typing import Any

import pytest

from bartizan.firmware.feeds.csaf import read_csaf
from bartizan.firmware.feeds.drafts import Reading
from bartizan.firmware.feeds.products import Vendors
from bartizan.firmware.match import Standing, findings
from bartizan.firmware.model import AffectedRule, Grade, Imported
from bartizan.identity.model import Identity
from bartizan_lab import generate
from tests.firmware.published import VENDORS, csaf, octets, product


def read(document: dict[str, Any], vendors: Vendors = VENDORS) -> Reading:
    return read_csaf(octets(document), vendors)


def test_ranges_in_names_become_rules_with_their_provenance() -> None:
    reading = read(
        csaf(
            product("CSAFPID-0001", "DS-2CD2xx2FWD Series", ">=  5.3.1 build 150410 | <= 5.4.4  Build 161125"),
            product("CSAFPID-0002", "DS- 2CD4x2xFWD Series", ">= 5.2.0 build  140721 | <= 5.4.0  Build 160414"),
            product("CSAFPID-0003", "DS-K1T804AXX", "<=1.4.0_build221212"),
            product("CSAFPID-0004", "DS-KH9310-WTE1(B)", "vers:all/*"),
        )
    )
    [advisory] = reading.advisories

    assert reading.problems == ()
    assert (advisory.id, advisory.maker, advisory.title) == (
        "CVE-2000-0001",
        "hikvision",
        "Cameras: Improper Authentication",
    )
    assert (advisory.cvss, advisory.grade, advisory.unread) == (10.0, Grade.UNCONFIRMED, ())
    assert advisory.imported == Imported("csaf", "ICSA-00-000-01", "2", "2022-10-10")
    assert advisory.source == "CISA ICSA-00-000-01, version 2 of 2022-10-10."
    assert advisory.rules == (
        AffectedRule(("DS-2CD2xx2FWD",), from_version="5.3.1 build 150410", up_to_version="5.4.4 Build 161125"),
        AffectedRule(("DS-2CD4x2xFWD",), from_version="5.2.0 build 140721", up_to_version="5.4.0 Build 160414"),
        AffectedRule(("DS-K1T804AXX",), up_to_version="1.4.0_build221212"),
        AffectedRule(("DS-KH9310-WTE1(B)",)),
    )


def test_models_with_trailing_commas_stand_where_versions_should() -> None:
    name = "Digital Video Recorders and IP Cameras"
    [advisory] = read(
        csaf(
            product("1", name, "DH-IPC-HDW1XXX,", "product_version"),
            product("2", name, "DH-HCVR4XXX, and", "product_version"),
            vendor="Dahua Technology Co, Ltd",
        )
    ).advisories

    assert advisory.maker == "dahua"
    assert [(rule.models, rule.undetermined) for rule in advisory.rules] == [
        (("DH-IPC-HDW1XXX",), True),
        (("DH-HCVR4XXX",), True),
    ]
    assert advisory.unread == (
        f"no versions of '{name}: DH-IPC-HDW1XXX,' are said",
        f"no versions of '{name}: DH-HCVR4XXX, and' are said",
    )


def test_a_brand_of_several_makers_is_nobodys_until_a_person_says_whose() -> None:
    document = csaf(product("1", "H4L2GR1", " <2.420.HW01.33.20190812"), vendor="Honeywell")

    assert read(document).advisories == ()
    assert read(document).problems == (
        "no maker is known for vendor 'Honeywell': say with --maker whose products these are",
    )

    [advisory] = read(document, Vendors(generate.makers(), only="dahua")).advisories
    assert advisory.rules == (AffectedRule(("H4L2GR1",), before_version="2.420.HW01.33.20190812"),)


@pytest.mark.parametrize(
    ("name", "versions", "left"),
    [
        ("DS-KH63 Series", "all, see web", "versions 'all, see web' of 'DS-KH63 Series'"),
        ("Some of our cameras", "< 5.1.0", "product 'Some of our cameras' names no model that can be read"),
        ("DS-A71024/48R", "<= V1.1.4", "model 'DS-A71024/48R' may stand for several: write them out, or keep it"),
        ("DS-2CD2; web", "<= V1.1.4", "product 'web' names no model that can be read"),
    ],
)
def test_what_was_not_understood_stays_in_the_draft_and_acquits_nobody(name: str, versions: str, left: str) -> None:
    [advisory] = read(
        csaf(product("1", name, versions), product("2", "DS-2CD4xx5", "<= 5.4.0 Build 160421"))
    ).advisories

    assert left in advisory.unread
    for model, firmware in (("DS-2CD4035FWD-A", "V5.5.0 build 200101"), ("DS-9632NI-I8", "V4.1.0 build 200101")):
        unit = Identity(maker="hikvision", model=model, firmware=firmware)
        assert [found.standing for found in findings(unit, (advisory,))] == [Standing.UNKNOWN]
    old = Identity(maker="hikvision", model="DS-2CD4035FWD-A", firmware="V5.4.0 build 160401")
    assert [found.standing for found in findings(old, (advisory,))] == [Standing.VULNERABLE]


def test_the_fix_of_the_same_models_is_kept() -> None:
    document = csaf(
        product("1", "DS-2CD2xx2F-I Series", "<= 5.4.0 build 160530"),
        product("2", "DS-2CD2xx2F-I Series", ">= 5.4.5 build 170123"),
        product("3", "DS-2CD4xx5 Series", "vers:all/*"),
        known_affected=["1", "3"],
        fixed=["2"],
    )
    [advisory] = read(document).advisories

    assert advisory.rules == (
        AffectedRule(("DS-2CD2xx2F-I",), up_to_version="5.4.0 build 160530", fixed_version="5.4.5 build 170123"),
        AffectedRule(("DS-2CD4xx5",)),
    )


def test_first_and_last_affected_are_bounds_and_an_investigation_is_a_doubt() -> None:
    document = csaf(
        product("1", "DS-2CD2xx2F-I", "5.4.0 build 160530", "product_version"),
        product("2", "DS-2CD2xx2F-I", "5.2.0 build 140721", "product_version"),
        product("3", "DS-2CD4xx5", "5.4.0 build 160421", "product_version"),
        last_affected=["1"],
        first_affected=["2"],
        under_investigation=["3"],
    )
    [advisory] = read(document).advisories

    assert [(rule.from_version, rule.up_to_version, rule.undetermined) for rule in advisory.rules] == [
        ("", "5.4.0 build 160530", False),
        ("5.2.0 build 140721", "", False),
        ("", "", True),
    ]
    assert advisory.unread == ("'DS-2CD4xx5: 5.4.0 build 160421' is under investigation",)


def test_one_version_says_nothing_of_others() -> None:
    [advisory] = read(csaf(product("1", "DS-2CD4xx5", "5.4.0 build 160421", "product_version"))).advisories

    for firmware, standing in (
        ("V5.4.0 build 160421", Standing.VULNERABLE),
        ("V5.4.5 build 170302", Standing.UNKNOWN),
        ("V5.3.0 build 150101", Standing.UNKNOWN),
    ):
        unit = Identity(maker="hikvision", model="DS-2CD4035", firmware=firmware)
        assert findings(unit, (advisory,))[0].standing is standing


def test_a_product_that_is_not_in_the_tree_is_a_doubt_with_every_maker() -> None:
    reading = read(csaf(product("1", "DS-2CD4xx5", "<= 5.4.0 Build 160421"), known_affected=["1", "CSAFPID-9"]))

    assert reading.problems == ("product 'CSAFPID-9' is not in the product tree",)
    assert reading.advisories[0].unread == ("product 'CSAFPID-9' is not in the product tree",)


def test_a_draft_that_could_not_be_traced_back_is_refused() -> None:
    document = csaf(product("1", "DS-2CD4xx5", "<= 5.4.0 Build 160421"))
    document["document"]["tracking"]["version"] = ""

    assert read(document).advisories == ()
    assert read(document).problems == ("it does not say its version: nothing could be traced back to it",)


def test_a_document_that_is_not_final_or_has_no_number_is_told() -> None:
    document = csaf(product("1", "DS-2CD4xx5", "<= 5.4.0 Build 160421"))
    document["document"]["tracking"]["status"] = "interim"
    document["vulnerabilities"].append({"title": "Nameless"})

    assert read(document).problems == (
        "its status is interim, not final",
        "a vulnerability (Nameless) has no CVE number",
    )


def nested(depth: int) -> dict[str, Any]:
    branch: dict[str, Any] = {"category": "vendor", "name": "Hikvision"}
    for _ in range(depth):
        branch = {"category": "product_family", "name": "x", "branches": [branch]}
    return branch


def test_a_tree_that_is_too_deep_is_read_as_far_as_it_goes() -> None:
    document = csaf()
    document["product_tree"]["branches"] = [nested(60)]

    assert "its product tree is nested too deep: what is below was not read" in read(document).problems


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not of the form"),
        (b"\xff\xfe", "not of the form"),
        (b"[]", "not of the form"),
        (b'{"document": {}}', "not of the form"),
        (b'{"document":{"tracking":{"id":"X"},"csaf_version":"1.2"}}', "no CSAF 2 document"),
        (b'{"product_tree":' + b'{"branches":[' * 200_000, ""),
    ],
)
def test_what_is_no_csaf_document_is_told(data: bytes, says: str) -> None:
    reading = read_csaf(data, VENDORS)

    assert reading.advisories == ()
    assert says in " ".join(reading.problems)
    assert reading.problems
