"""How a device stands to an advisory: vulnerable, fixed, not affected, or unknown and never taken for better."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.firmware.match import Exposure, Finding, Standing, by_urgency, exposure, findings, sentence
from bartizan.firmware.model import Advisory, AffectedRule, Grade
from bartizan.identity.model import Identity, Kind

CAMERA = Identity(
    maker="hikvision", brand="Hikvision", model="DS-2CD2042F-I", firmware="V5.4.0", build_date="2016-04-01"
)


def flaw(*rules: AffectedRule, maker: str = "hikvision", known_exploited_since: str = "") -> Advisory:
    due = "2026-03-26" if known_exploited_since else ""
    return Advisory(
        "CVE-1",
        "title",
        maker,
        rules,
        "source",
        Grade.PUBLISHED,
        cvss=10.0,
        known_exploited_since=known_exploited_since,
        due=due,
    )


def standing(advisory: Advisory, **changes: str) -> Standing:
    [finding] = findings(msgspec.structs.replace(CAMERA, **changes), (advisory,))
    return finding.standing


RANGE = AffectedRule(
    ("DS-2CD2xx2F-I",),
    from_version="V5.2.0 build 140721",
    up_to_version="V5.4.0 build 160530",
    fixed_version="V5.4.5 build 170123",
)
FLOOR = AffectedRule(("DS-2CD2xx2F-I",), before_build="2021-06-25")


def test_a_finding_names_the_rule_and_the_reason() -> None:
    assert findings(CAMERA, (flaw(RANGE, known_exploited_since="2026-03-05"),)) == (
        Finding(
            advisory="CVE-1",
            standing=Standing.VULNERABLE,
            rule="DS-2CD2xx2F-I from V5.2.0 build 140721 up to V5.4.0 build 160530 fixed in V5.4.5 build 170123",
            because="V5.4.0 is V5.2.0 build 140721 or newer, and V5.4.0 is not newer than V5.4.0 build 160530",
            grade=Grade.PUBLISHED,
            source="source",
            title="title",
            cvss=10.0,
            known_exploited_since="2026-03-05",
            due="2026-03-26",
        ),
    )


@pytest.mark.parametrize(
    ("firmware", "built", "expected"),
    [
        ("V5.2.0 build 140720", "", Standing.NOT_AFFECTED),
        ("V5.2.0 build 140721", "", Standing.VULNERABLE),
        ("V5.4.0 build 160530", "", Standing.VULNERABLE),
        ("V5.4.0 build 160531", "", Standing.UNKNOWN),
        ("V5.4.5 build 170122", "", Standing.UNKNOWN),
        ("V5.4.5 build 170123", "", Standing.FIXED),
        ("V5.4.0", "2016-05-30", Standing.VULNERABLE),
        ("V5.4.0", "", Standing.UNKNOWN),
        ("", "", Standing.UNKNOWN),
        ("rubbish", "", Standing.UNKNOWN),
    ],
)
def test_a_range_of_dated_versions(firmware: str, built: str, expected: Standing) -> None:
    assert standing(flaw(RANGE), firmware=firmware, build_date=built) is expected


@pytest.mark.parametrize(
    ("firmware", "built", "expected"),
    [
        ("V5.5.0", "2021-06-24", Standing.VULNERABLE),
        ("V5.5.0", "2021-06-25", Standing.FIXED),
        ("V5.5.0 build 210624", "", Standing.VULNERABLE),
        ("unreadable", "2021-06-24", Standing.VULNERABLE),
        ("V5.5.0", "", Standing.UNKNOWN),
        ("V9.9.9", "", Standing.UNKNOWN),
        ("V5.5.0", "2021-99-99", Standing.UNKNOWN),
    ],
)
def test_a_floor_that_is_a_build_date(firmware: str, built: str, expected: Standing) -> None:
    assert standing(flaw(FLOOR), firmware=firmware, build_date=built) is expected


def test_a_missing_model_is_unknown_unless_every_model_is_affected() -> None:
    assert standing(flaw(FLOOR), model="") is Standing.UNKNOWN
    assert standing(flaw(AffectedRule(("*",), before_build="2021-06-25")), model="") is Standing.VULNERABLE


def test_another_model_is_not_affected_but_an_unreadable_pattern_is_unknown() -> None:
    assert standing(flaw(FLOOR), model="DS-2CD2143G2-I") is Standing.NOT_AFFECTED
    assert standing(flaw(AffectedRule(("see, web",), before_build="2021-06-25"))) is Standing.UNKNOWN


def test_a_rule_whose_date_is_none_is_unknown() -> None:
    assert standing(flaw(AffectedRule(("*",), before_build="soon"))) is Standing.UNKNOWN


def test_without_bounds_every_version_is_affected_even_an_unknown_one() -> None:
    assert standing(flaw(AffectedRule(("*",))), firmware="") is Standing.VULNERABLE


def test_unpublished_versions_acquit_outside_their_bounds_and_convict_nobody() -> None:
    rule = AffectedRule(("*",), before_build="2017-05-04", undetermined=True)

    assert standing(flaw(rule), build_date="2017-05-03") is Standing.UNKNOWN
    assert standing(flaw(rule), build_date="2017-05-04") is Standing.FIXED


def test_an_advisory_without_rules_decides_nothing() -> None:
    assert standing(flaw()) is Standing.UNKNOWN


def test_of_several_rules_the_worst_counts() -> None:
    other = AffectedRule(("DS-9*",), before_build="2030-01-01")
    later = AffectedRule(("DS-2*",), before_build="2017-01-01")

    assert standing(flaw(other, later)) is Standing.VULNERABLE
    assert standing(flaw(other, later), build_date="2018-01-01") is Standing.FIXED


def test_another_makers_advisory_says_nothing_and_an_unknown_maker_has_none() -> None:
    assert findings(CAMERA, (flaw(FLOOR, maker="dahua"),)) == ()
    assert findings(msgspec.structs.replace(CAMERA, maker=""), (flaw(FLOOR),)) == ()


@pytest.mark.parametrize(
    ("model", "built", "expected"),
    [
        ("C800", "2016-04-01", Standing.UNKNOWN),
        ("C800", "", Standing.UNKNOWN),
        ("C800", "2024-01-01", Standing.FIXED),
        ("DS-2CD2042F-I", "2016-04-01", Standing.VULNERABLE),
    ],
)
def test_a_badge_hides_the_model_but_its_build_date_can_acquit_it(model: str, built: str, expected: Standing) -> None:
    annke = msgspec.structs.replace(
        CAMERA, brand="Annke", lineage="badge Annke; Hikvision by OUI", model=model, build_date=built
    )
    [finding] = findings(annke, (flaw(FLOOR),))

    assert finding.standing is expected
    assert finding.inferred


@pytest.mark.parametrize(
    ("firmware", "expected"),
    [
        ("6.49", Standing.NOT_AFFECTED),
        ("8.0.1", Standing.VULNERABLE),
        ("11.5", Standing.VULNERABLE),
        ("11.5.64", Standing.VULNERABLE),
        ("11.6", Standing.FIXED),
        ("6.50.5.1", Standing.UNKNOWN),
        ("10.12.91", Standing.UNKNOWN),
    ],
)
def test_a_bound_of_two_numbers_is_a_track_and_long_term_tracks_have_fixes_of_their_own(
    firmware: str, expected: Standing
) -> None:
    axis = Identity(maker="axis", brand="Axis", model="P3265-V", firmware=firmware)
    rule = AffectedRule(("*",), from_version="6.50", up_to_version="11.5")
    [finding] = findings(axis, (flaw(rule, maker="axis"),))

    assert finding.standing is expected


def test_a_bound_on_the_long_term_track_itself_decides() -> None:
    rule = AffectedRule(("*",), from_version="6.0", before_version="6.50.2.3")
    for firmware, expected in (("6.50.2.2", Standing.VULNERABLE), ("6.50.2.3", Standing.FIXED)):
        axis = Identity(maker="axis", model="P3265-V", firmware=firmware)
        assert findings(axis, (flaw(rule, maker="axis"),))[0].standing is expected


def test_exposure_keeps_what_is_sure_and_what_cannot_be_told_apart() -> None:
    found = [
        Finding(name, standing, "", "", Grade.PUBLISHED)
        for name, standing in (
            ("CVE-1", Standing.VULNERABLE),
            ("CVE-2", Standing.UNKNOWN),
            ("CVE-3", Standing.FIXED),
            ("CVE-4", Standing.NOT_AFFECTED),
            ("CVE-1", Standing.VULNERABLE),
        )
    ]

    assert exposure(found) == Exposure(("CVE-1",), ("CVE-2",))


@pytest.mark.parametrize(
    ("platform", "built", "expected"),
    [
        ("G3", "2021-06-26", Standing.VULNERABLE),
        ("IPC_G3", "2021-06-26", Standing.VULNERABLE),
        ("g3", "2021-06-28", Standing.FIXED),
        ("G5", "2021-06-26", Standing.NOT_AFFECTED),
        ("", "2021-06-26", Standing.UNKNOWN),
        ("", "2021-06-28", Standing.FIXED),
        ("G3", "", Standing.UNKNOWN),
    ],
)
def test_a_rule_for_a_platform_binds_that_platform_only(platform: str, built: str, expected: Standing) -> None:
    rule = AffectedRule(("DS-2CD2*",), platforms=("IPC_G3",), before_build="2021-06-28")

    assert standing(flaw(rule), platform=platform, build_date=built) is expected


@pytest.mark.parametrize(
    ("firmware", "built", "expected"),
    [
        ("V5.02.005 build 230926", "", Standing.VULNERABLE),
        ("V5.2.5", "2023-09-26", Standing.VULNERABLE),
        ("V5.02.006 build 230101", "", Standing.FIXED),
        ("V5.02.010", "", Standing.FIXED),
        ("V4.99.999 build 991231", "", Standing.NOT_AFFECTED),
    ],
)
def test_a_bound_without_a_date_compares_numbers_among_the_models_it_names(
    firmware: str, built: str, expected: Standing
) -> None:
    rule = AffectedRule(("DS-76xxNI-Mx",), from_version="V5.00.000", before_version="V5.02.006")

    assert standing(flaw(rule), model="DS-7608NI-M2", firmware=firmware, build_date=built) is expected


def test_across_all_models_of_a_maker_numbers_without_a_date_mean_nothing() -> None:
    rule = AffectedRule(("*",), before_version="V5.02.006")

    assert standing(flaw(rule), firmware="V5.5.0 build 200101") is Standing.UNKNOWN
    assert standing(flaw(rule), firmware="V5.5.0", build_date="") is Standing.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "model", "lineage", "expected"),
    [
        (Kind.CAMERA, "C800", "badge Annke", Standing.NOT_AFFECTED),
        (Kind.RECORDER, "N48PAW", "badge Annke", Standing.UNKNOWN),
        (Kind.UNKNOWN, "N48PAW", "badge Annke", Standing.UNKNOWN),
        (Kind.CAMERA, "", "", Standing.NOT_AFFECTED),
        (Kind.UNKNOWN, "", "", Standing.UNKNOWN),
        (Kind.CAMERA, "DS-7604NI-K1/4P", "", Standing.VULNERABLE),
    ],
)
def test_what_kind_of_thing_it_is_decides_only_where_the_model_does_not(
    kind: Kind, model: str, lineage: str, expected: Standing
) -> None:
    unit = msgspec.structs.replace(CAMERA, kind=kind, model=model, lineage=lineage)
    rule = AffectedRule(("DS-76*",), kinds=(Kind.RECORDER,), before_build="2021-06-25")

    assert findings(unit, (flaw(rule),))[0].standing is expected


def test_software_for_a_pc_is_never_held_against_a_unit_of_unknown_kind() -> None:
    unit = Identity(maker="tvt", brand="Provision-ISR", model="SH-4050A5-5L(MM)", lineage="badge Provision-ISR")
    rule = AffectedRule(("NVMS-1000",), kinds=(Kind.OTHER,), undetermined=True)

    assert findings(unit, (flaw(rule, maker="tvt"),))[0].standing is Standing.NOT_AFFECTED


@pytest.mark.parametrize(
    ("brand", "model", "firmware", "expected", "is_inferred"),
    [
        ("Honeywell", "H4L2GR1", "2.420.HW01.31.20190301", Standing.VULNERABLE, False),
        ("Honeywell", "H4W8PR2", "2.420.HW01.31.20190301", Standing.NOT_AFFECTED, False),
        ("Amcrest", "IP8M-2496EW", "2.622.00AC000.0.R", Standing.NOT_AFFECTED, True),
        ("", "IP8M-2496EW", "2.622.00AC000.0.R", Standing.UNKNOWN, True),
    ],
)
def test_a_rule_about_a_badges_own_models_means_no_other_badge(
    brand: str, model: str, firmware: str, expected: Standing, *, is_inferred: bool
) -> None:
    unit = Identity(maker="dahua", brand=brand, model=model, firmware=firmware, lineage="Dahua by firmware infix")
    rule = AffectedRule(("H4L2GR1",), brands=("Honeywell",), before_version="2.420.HW01.33.20190812")
    [finding] = findings(unit, (flaw(rule, maker="dahua"),))

    assert (finding.standing, finding.inferred) == (expected, is_inferred)


@pytest.mark.parametrize(
    ("model", "built", "expected"),
    [
        ("DS-2CD2042F-I", "2016-04-01", Standing.VULNERABLE),
        ("DS-2CD2042F-I", "2024-01-01", Standing.UNKNOWN),
        ("DS-2CD2143G2-I", "2024-01-01", Standing.UNKNOWN),
    ],
)
def test_an_import_that_was_not_understood_acquits_nobody(model: str, built: str, expected: Standing) -> None:
    advisory = msgspec.structs.replace(flaw(FLOOR), unread=("versions: all, see web",))
    [finding] = findings(msgspec.structs.replace(CAMERA, model=model, build_date=built), (advisory,))

    assert finding.standing is expected
    if expected is Standing.UNKNOWN:
        assert finding.because == "the import left something for a person to read: versions: all, see web"


def test_the_deciding_rule_gives_grade_and_source() -> None:
    read_between_the_lines = msgspec.structs.replace(FLOOR, grade=Grade.UNCONFIRMED, source="HSRC-202109-01")
    [finding] = findings(CAMERA, (flaw(read_between_the_lines),))

    assert (finding.grade, finding.source) == (Grade.UNCONFIRMED, "HSRC-202109-01")


def test_a_finding_in_a_sentence_and_findings_by_urgency() -> None:
    exploited = flaw(FLOOR, known_exploited_since="2026-03-05")
    quiet = msgspec.structs.replace(flaw(FLOOR), id="CVE-2")
    elsewhere = msgspec.structs.replace(flaw(AffectedRule(("DS-9*",))), id="CVE-0")
    ordered = by_urgency(findings(CAMERA, (elsewhere, quiet, exploited)))

    assert [finding.advisory for finding in ordered] == ["CVE-1", "CVE-2", "CVE-0"]
    assert sentence(ordered[0]) == (
        "vulnerable: built 2016-04-01, before 2021-06-25 (rule: DS-2CD2xx2F-I built before 2021-06-25); "
        "known exploited since 2026-03-05, due 2026-03-26; graded V"
    )


@given(
    st.sampled_from(["hikvision", "dahua", "axis", "uniview"]),
    st.text(max_size=30),
    st.text(max_size=30),
    st.text(max_size=12),
)
def test_rubbish_from_a_device_is_never_taken_for_fixed(maker: str, model: str, firmware: str, built: str) -> None:
    rubbish = Identity(maker=maker, model=f"?{model}", firmware=f"?{firmware}", build_date=f"?{built}?")
    found = findings(rubbish, (flaw(AffectedRule(("*",), before_version="V1.2.3"), maker=maker),))

    assert [finding.standing for finding in found] == [Standing.UNKNOWN]
