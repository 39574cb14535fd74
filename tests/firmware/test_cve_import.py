"""CVE records of format 5 become drafts; where they say nothing, nothing is made up. The records are synthetic."""

from typing import Any

import pytest

from bartizan.firmware.feeds.cve5 import read_cve
from bartizan.firmware.feeds.drafts import Reading
from bartizan.firmware.match import Standing, findings
from bartizan.firmware.model import Advisory, AffectedRule, Imported
from bartizan.identity.model import Identity
from tests.firmware.published import VENDORS, cve, octets


def read(document: dict[str, Any]) -> Reading:
    return read_cve(octets(document), VENDORS)


def product(name: str, *versions: dict[str, Any], vendor: str = "Hikvision", **more: Any) -> dict[str, Any]:
    return {"vendor": vendor, "product": name, "versions": list(versions), **more}


def affected(version: str, **more: Any) -> dict[str, Any]:
    return {"version": version, "status": "affected", **more}


def only(document: dict[str, Any]) -> Advisory:
    [advisory] = read(document).advisories
    return advisory


def test_a_record_becomes_a_draft_with_its_provenance() -> None:
    record = cve(
        product("DS-76xxNXI-Kx(/xP)  including(D)、(E)、(B)", affected("Build date before 250807")),
        product("DS-2CD1xxxG2", affected("Versions below V5.7.13_230822 (including V5.7.13_230822)")),
        metrics=[{"cvssV4_0": {"baseScore": 9.3}}, {"cvssV3_1": {"baseScore": 8.8}}],
    )
    record["containers"]["adp"] = [
        {"metrics": [{"other": {"type": "ssvc", "content": {}}}]},
        {"metrics": [{"other": {"type": "kev", "content": {"dateAdded": "2024-08-21", "reference": "x"}}}]},
    ]
    advisory = only(record)

    assert (advisory.id, advisory.maker, advisory.title) == ("CVE-2000-0002", "hikvision", "Something can be bypassed")
    assert (advisory.cvss, advisory.known_exploited_since, advisory.due) == (8.8, "2024-08-21", "")
    assert advisory.imported == Imported("cve", "CVE-2000-0002", "5.1", "2025-07-28")
    assert advisory.source == "CVE record of 2025-07-28, by dahua."
    assert advisory.rules == (
        AffectedRule(("DS-76xxNXI-Kx(/xP)",), before_build="2025-08-07"),
        AffectedRule(("DS-2CD1xxxG2",), up_to_version="V5.7.13_230822"),
    )
    assert advisory.unread == ()


def test_a_record_that_was_never_touched_again_has_the_date_it_was_published() -> None:
    record = cve(product("DS-2CD1xxxG2", affected("Build date before 250807")))
    del record["cveMetadata"]["dateUpdated"]
    record["cveMetadata"]["datePublished"] = "2021-09-22T12:07:10"

    assert only(record).imported == Imported("cve", "CVE-2000-0002", "5.1", "2021-09-22")


def test_a_mark_that_some_editor_put_before_it_is_not_minded() -> None:
    record = cve(product("DS-2CD1xxxG2", affected("Build date before 250807")))

    assert read_cve(b"\xef\xbb\xbf" + octets(record), VENDORS).advisories


def test_bounds_of_two_fields_and_platforms() -> None:
    advisory = only(
        cve(
            product(
                "AXIS OS",
                {"version": "10.9.0", "lessThan": "10.12.246", "status": "affected", "versionType": "semver"},
                vendor="Axis Communications AB",
                platforms=["ARTPEC 8"],
                defaultStatus="unaffected",
            )
        )
    )

    assert advisory.rules == (
        AffectedRule(("*",), platforms=("ARTPEC 8",), from_version="10.9.0", before_version="10.12.246"),
    )


def test_several_models_in_one_name_and_a_custom_upper_bound() -> None:
    advisory = only(
        cve(
            product(
                "DS-A80624S,DS-A81016S",
                affected("V2.X", lessThanOrEqual="V2.3.8-8", versionType="custom"),
                vendor="hikvision",
            )
        )
    )

    assert advisory.rules == (
        AffectedRule(("DS-A80624S", "DS-A81016S"), from_version="V2.0", up_to_version="V2.3.8-8"),
    )


@pytest.mark.parametrize("nothing", ["n/a", "", "unspecified"])
def test_an_empty_record_says_nothing_and_decides_nothing(nothing: str) -> None:
    advisory = only(cve(product("n/a", affected(nothing))))

    assert "the record names no versions: they must come from the vendor" in advisory.unread
    assert advisory.rules == (AffectedRule(("*",), undetermined=True),)
    for firmware in ("V5.5.0 build 200101", "V9.9.9 build 300101", ""):
        unit = Identity(maker="hikvision", model="DS-2CD2042F-I", firmware=firmware)
        assert findings(unit, (advisory,))[0].standing is Standing.UNKNOWN


def test_prose_is_left_to_a_person() -> None:
    prose = "IP Camera devices IPC-HX3XXX, Video Intercom devices VTO75X95X devices Buildtime before June, 2021."
    advisory = only(cve(product("Some Dahua IP Camera devices", affected(prose), vendor="n/a")))

    assert advisory.maker == "dahua"
    assert advisory.unread == (
        "product 'Some Dahua IP Camera devices' names no model that can be read",
        f"versions '{prose}'",
    )


@pytest.mark.parametrize(
    ("versions", "default", "rules", "is_clear"),
    [
        ([], "affected", (AffectedRule(("DS-2CD4xx5",)),), True),
        (
            [{"version": "5.5.0", "lessThan": "*", "status": "unaffected"}],
            "affected",
            (AffectedRule(("DS-2CD4xx5",), before_version="5.5.0"),),
            True,
        ),
        (
            [{"version": "5.5.0", "status": "unaffected"}],
            "affected",
            (AffectedRule(("DS-2CD4xx5",), undetermined=True),),
            False,
        ),
        (
            [affected("5.4.0", lessThan="5.5.0")],
            "affected",
            (
                AffectedRule(("DS-2CD4xx5",), from_version="5.4.0", before_version="5.5.0"),
                AffectedRule(("DS-2CD4xx5",), undetermined=True),
            ),
            True,
        ),
        (
            [affected("5.4.0")],
            "unaffected",
            (AffectedRule(("DS-2CD4xx5",), from_version="5.4.0", up_to_version="5.4.0"),),
            True,
        ),
        (
            [affected("5.4.0")],
            "unknown",
            (
                AffectedRule(("DS-2CD4xx5",), from_version="5.4.0", up_to_version="5.4.0"),
                AffectedRule(("DS-2CD4xx5",), undetermined=True),
            ),
            True,
        ),
        (
            [{"version": "5.4.0", "status": "unknown"}],
            "unaffected",
            (AffectedRule(("DS-2CD4xx5",), undetermined=True),),
            False,
        ),
        ([], "unaffected", (AffectedRule(("DS-2CD4xx5",), undetermined=True),), False),
        (
            [affected("5.4.0", lessThan="5.5.0", changes=[{"at": "5.4.1", "status": "unaffected"}])],
            "unaffected",
            (AffectedRule(("DS-2CD4xx5",), undetermined=True),),
            False,
        ),
    ],
)
def test_what_is_said_of_other_versions(
    versions: list[dict[str, Any]], default: str, rules: tuple[AffectedRule, ...], *, is_clear: bool
) -> None:
    advisory = only(cve(product("DS-2CD4xx5", *versions, defaultStatus=default)))

    assert advisory.rules == rules
    assert (advisory.unread == ()) is is_clear


def test_a_module_alone_is_a_doubt() -> None:
    advisory = only(cve(product("DS-2CD4xx5", affected("< 5.5.0"), modules=["webLanguage"])))

    assert advisory.unread == ("only the module 'webLanguage'",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cveMetadata": {"cveId": "CVE-2000-0002", "state": "REJECTED"}}, "the record is rejected"),
        ({"dataVersion": "4.0"}, "it is no CVE record of format 5"),
        ({"dataType": "SOMETHING"}, "it is no CVE record of format 5"),
        ({"cveMetadata": {"cveId": "CVE-2000-0002", "state": "PUBLISHED"}}, "it does not say its date"),
        ({"containers": {}}, "it is not of the form"),
    ],
)
def test_what_is_no_published_record_is_told(changes: dict[str, Any], says: str) -> None:
    reading = read(cve(product("DS-2CD4xx5", affected("< 5.5.0"))) | changes)

    assert reading.advisories == ()
    assert says in reading.problems[0]


def test_a_maker_that_nobody_knows_is_told() -> None:
    assert read(cve(product("X-1", vendor="Somebody"))).problems == (
        "no maker is known for vendor 'Somebody', product 'X-1': say with --maker whose products these are",
    )
