"""Affected versions as publishers write them: understood to the last word, or left to a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.firmware.feeds.ranges import EVERY, Bounds, between, read_range
from bartizan.firmware.feeds.text import plain

MAKERS = ["hikvision", "dahua", "axis", "uniview", "hanwha", "tvt", "anybody", ""]


@pytest.mark.parametrize(
    ("maker", "text", "expected"),
    [
        # CISA's CSAF documents, as they stand there.
        (
            "hikvision",
            ">=  5.3.1 build 150410 | <= 5.4.4  Build 161125",
            Bounds("5.3.1 build 150410", up_to_version="5.4.4 Build 161125"),
        ),
        (
            "hikvision",
            ">= 5.2.0 build  140721 | <= 5.4.0  Build 160401",
            Bounds("5.2.0 build 140721", up_to_version="5.4.0 Build 160401"),
        ),
        ("hikvision", "<=1.4.0_build221212", Bounds(up_to_version="1.4.0_build221212")),
        ("dahua", " <2.420.HW01.33.20190812", Bounds(before_version="2.420.HW01.33.20190812")),
        ("anybody", "vers:all/*", EVERY),
        ("anybody", "vers:generic/>=1.0|<2.0", Bounds("1.0", before_version="2.0")),
        ("anybody", ">= 1.0, < 2.0", Bounds("1.0", before_version="2.0")),
        ("anybody", ">= 1.0 and <= 2.0", Bounds("1.0", up_to_version="2.0")),
        ("dahua", "<2.800.0000016.0.R,build:2020-06-05", Bounds(before_version="2.800.0000016.0.R,build:2020-06-05")),
        # CVE records.
        ("hikvision", "Build date before 250807", Bounds(before_build="2025-08-07")),
        ("dahua", "build time before April 16, 2025", Bounds(before_build="2025-04-16")),
        ("dahua", "Buildtime before June, 2021.", Bounds(before_build="2021-06-01")),
        ("dahua", "Versions which Build time before 2024/2/2", Bounds(before_build="2024-02-02")),
        (
            "hikvision",
            "Versions below V5.7.13_230822 (including V5.7.13_230822)",
            Bounds(up_to_version="V5.7.13_230822"),
        ),
        ("hikvision", "Versions below V3.7.80", Bounds(before_version="V3.7.80")),
        (
            "hikvision",
            "V4.30.096build221220 and the versions prior to it",
            Bounds(up_to_version="V4.30.096build221220"),
        ),
        (
            "hikvision",
            "Versions after V5.00.000 (including V5.00.000) and before V5.02.006\uff08not including V5.02.006\uff09",
            Bounds("V5.00.000", before_version="V5.02.006"),
        ),
        ("hanwha", "Prior to version 1.41.16", Bounds(before_version="1.41.16")),
        ("axis", "AXIS OS 11.0.X - 11.3.x", Bounds("11.0", up_to_version="11.3")),
        ("axis", "6.50 - 11.10", Bounds("6.50", up_to_version="11.10")),
        ("axis", "AXIS OS 5.51 or later", Bounds("5.51")),
        (
            "tvt",
            "1.3.4.22966B181219.D14.U1(8A41T)",
            Bounds("1.3.4.22966B181219.D14.U1(8A41T)", up_to_version="1.3.4.22966B181219.D14.U1(8A41T)", exactly=True),
        ),
        ("anybody", "All", EVERY),
        ("anybody", "all versions", EVERY),
        ("anybody", "= 1.2", Bounds("1.2", up_to_version="1.2", exactly=True)),
        ("anybody", "up to 1.2", Bounds(up_to_version="1.2")),
        ("anybody", "1.2 and earlier", Bounds(up_to_version="1.2")),
        # Damaged on the way.
        ("axis", "\u00e2\u2030\u00a4 5.4", Bounds(up_to_version="5.4")),
        ("axis", "\u2264 5.4", Bounds(up_to_version="5.4")),
        ("axis", "&lt;= 5.4", Bounds(up_to_version="5.4")),
        ("hikvision", "\uff1cV5.1.0", Bounds(before_version="V5.1.0")),
        ("axis", "6.50 \u2013 11.10,", Bounds("6.50", up_to_version="11.10")),
    ],
)
def test_a_range_is_read(maker: str, text: str, expected: Bounds) -> None:
    assert read_range(maker, text) == expected


def test_a_product_that_is_repeated_before_its_range_is_left_out() -> None:
    text = "IPC-HX8XXX and NVR4XXX Versions which Build time before 2024/2/2"

    assert read_range("dahua", text, "IPC-HX8XXX and NVR4XXX") == Bounds(before_build="2024-02-02")
    assert read_range("dahua", text) is None


@pytest.mark.parametrize(
    ("maker", "text"),
    [
        ("hikvision", "n/a"),
        ("hikvision", ""),
        ("hikvision", "unspecified"),
        ("hikvision", "all, see web"),
        ("hikvision", "see HSRC-202109-01"),
        ("hikvision", "> V5.1.0"),
        ("hikvision", "<= newest"),
        ("hikvision", "< 5.1.0 | <= 5.2.0"),
        ("hikvision", "< 5.1.0 | < 5.2.0"),
        ("hikvision", "!= 5.1.0"),
        ("hikvision", "Build date before 251307"),
        ("hikvision", "Versions below V5.7.13 on some models"),
        ("hikvision", "Versions after V5.00 (including V5.01.000) and before V5.02.006 (not including V5.02.006)"),
        ("hanwha", "Prior to version 1.41.16, Prior to version 2.22.00"),
        (
            "dahua",
            "Affected products include certain models from the SD3A series, and which build time before May 1, 2025",
        ),
        ("avtech", "<=FullImg-1023-1007-1011-1009"),
        ("", "<= 1.0"),
        ("anybody", "9" * 500),
    ],
)
def test_whatever_is_not_understood_is_left_to_a_person(maker: str, text: str) -> None:
    assert read_range(maker, text) is None


@pytest.mark.parametrize(
    ("maker", "lowest", "below", "last", "expected"),
    [
        ("hikvision", "V2.X", "", "V2.3.8-8", Bounds("V2.0", up_to_version="V2.3.8-8")),
        ("hikvision", "V1.X", "", "V1.1.4 ", Bounds("V1.0", up_to_version="V1.1.4")),
        ("axis", "10.9.0", "10.12.246", "", Bounds("10.9.0", before_version="10.12.246")),
        ("ptzoptics", "0", "6.3.40", "", Bounds(before_version="6.3.40")),
        ("ptzoptics", "unspecified", "6.3.40", "", Bounds(before_version="6.3.40")),
        (
            "uniview",
            "CIPC-B2303.X.X.XXXXXX",
            "",
            "CIPC-B2303.2.8.230105",
            Bounds("CIPC-B2303", up_to_version="CIPC-B2303.2.8.230105"),
        ),
        ("axis", "10.0", "", "*", Bounds("10.0")),
        ("axis", "some", "10.12.246", "", None),
        ("axis", "10.0", "the fix", "", None),
    ],
)
def test_two_fields_of_a_record_are_a_range(
    maker: str, lowest: str, below: str, last: str, expected: Bounds | None
) -> None:
    assert between(maker, lowest, below=below, last=last) == expected


WORDS = st.sampled_from(
    ["<=", ">=", "<", "|", "V5.1.0", "build", "250807", "before", "and", "prior", "to", "x", "(", ")", "including", " "]
)


@given(st.sampled_from(MAKERS), st.one_of(st.text(max_size=600), st.lists(WORDS, max_size=60).map(" ".join)))
def test_any_text_is_a_range_or_none(maker: str, text: str) -> None:
    bounds = read_range(maker, text)

    assert bounds is None or isinstance(bounds, Bounds)


@given(st.sampled_from(["hikvision", "dahua", "axis"]), st.text(max_size=80))
def test_without_a_figure_only_every_version_can_be_meant(maker: str, text: str) -> None:
    words = "".join(character for character in plain(text) if not character.isdecimal())

    assert read_range(maker, words) in {None, EVERY}


@given(st.text(max_size=900))
def test_plain_text_is_bounded_and_in_one_line(text: str) -> None:
    read = plain(text)

    assert len(read) <= 400
    assert "\n" not in read
