"""Firmware versions as vendors write them, and which of two is newer, or that it cannot be told."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.firmware.versions import Ordering, Version, compare, iso_date, parse


@pytest.mark.parametrize(
    ("maker", "text", "numbers", "family", "built"),
    [
        ("hikvision", "V5.5.6build 180326", (5, 5, 6), "", "2018-03-26"),
        ("hikvision", "V5.5.800 build 210628", (5, 5, 800), "", "2021-06-28"),
        ("hikvision", "V5.4.4  Build 161125", (5, 4, 4), "", "2016-11-25"),
        ("hikvision", "V4.30.096build221220", (4, 30, 96), "", "2022-12-20"),
        ("hikvision", "V4.62.210", (4, 62, 210), "", ""),
        ("hikvision", "V5.03.020", (5, 3, 20), "", ""),
        ("hikvision", "1.4.0_build221212", (1, 4, 0), "", "2022-12-12"),
        ("hikvision", "3.0.3_20201113", (3, 0, 3), "", "2020-11-13"),
        ("hikvision", "V2.3.8-8", (2, 3, 8, 8), "", ""),
        ("hikvision", "V5.5.6 build 181399", (5, 5, 6), "", ""),
        ("dahua", "2.800.0000016.0.R,build:2020-06-05", (2, 800, 16, 0), "", "2020-06-05"),
        ("dahua", "2.800.0000016.0.R, build: 2020-06-05", (2, 800, 16, 0), "", "2020-06-05"),
        ("dahua", "2.820.0000000.48.R.220614", (2, 820, 0, 48), "", "2022-06-14"),
        ("dahua", "3.120.0000.0.R", (3, 120, 0, 0), "", ""),
        ("dahua", "2.622.00AC000.0.R", (2, 622, 0, 0), "AC", ""),
        ("dahua", "2.800.00DH004.0.R", (2, 800, 4, 0), "", ""),
        ("dahua", "2.000.00IB004.0.R", (2, 0, 4, 0), "IB", ""),
        ("dahua", "2.420.HW01.33.20190812", (2, 420, 1, 33), "HW", "2019-08-12"),
        ("axis", "9.70.1.5", (9, 70, 1, 5), "", ""),
        ("uniview", "CIPC-B2303.2.8.230105", (2, 8), "CIPC-B2303", "2023-01-05"),
        ("uniview", "NVR-B3801.20.17.240507", (20, 17), "NVR-B3801", "2024-05-07"),
        ("uniview", "IPC_G6103 B6103.16.10.B25.201218", (16, 10, 25), "IPC_G6103-B6103", "2020-12-18"),
        ("hanwha", "1.41.14_20230526_R372", (1, 41, 14), "", "2023-05-26"),
        ("hikvision", "V5.7.13_230822", (5, 7, 13), "", "2023-08-22"),
        ("tvt", "1.3.4.22966B181219.D14.U1(8A41T)", (1, 3, 4, 22966), "D14.U1(8A41T)", "2018-12-19"),
        ("tvt", "1.3.4", (1, 3, 4), "", ""),
        ("anybody", "v1.02.3", (1, 2, 3), "", ""),
    ],
)
def test_a_version_is_taken_apart(maker: str, text: str, numbers: tuple[int, ...], family: str, built: str) -> None:
    assert parse(maker, text) == Version(text, numbers, family, built)


@pytest.mark.parametrize(
    ("maker", "text"),
    [
        ("hikvision", ""),
        ("hikvision", "build 180326"),
        ("hikvision", "V5"),
        ("hikvision", "V5.5.6; reboot"),
        ("dahua", "2.800"),
        ("dahua", "2.800..0.R"),
        ("axis", "5.50beta3"),
        ("axis", "1" * 200),
        ("uniview", "16.10.B25"),
        ("anybody", "FullImg-1023-1007-1011-1009"),
        ("anybody", "\u0661.\u0662"),
    ],
)
def test_what_is_written_otherwise_is_no_version(maker: str, text: str) -> None:
    assert parse(maker, text) is None


def test_a_date_from_elsewhere_stands_in_where_the_version_has_none() -> None:
    assert parse("hikvision", "V5.7.18", "build 240826") == Version("V5.7.18", (5, 7, 18), "", "2024-08-26")
    assert parse("hikvision", "V5.5.6 build 180326", "2024-08-26") == Version(
        "V5.5.6 build 180326", (5, 5, 6), "", "2018-03-26"
    )


OLDER, SAME, NEWER = Ordering.OLDER, Ordering.SAME, Ordering.NEWER


@pytest.mark.parametrize(
    ("maker", "first", "second", "ordering"),
    [
        ("hikvision", "V5.5.800 build 210628", "V5.6.0 build 200101", NEWER),
        ("hikvision", "V5.5.6build 180326", "V5.5.6 build 180326", SAME),
        ("hikvision", "V5.5.6 build 180326", "V5.5.10 build 180326", OLDER),
        ("hikvision", "V5.5.6", "V5.5.6 build 180326", None),
        ("hikvision", "V5.03.020", "V5.3.20", SAME),
        ("hikvision", "V4.9.0", "V4.62.210", OLDER),
        ("dahua", "2.800.0000016.0.R,build:2020-06-05", "2.820.0000000.48.R.220614", OLDER),
        ("dahua", "2.820.0000000.48.R", "2.820.0000000.48.R.220614", None),
        ("dahua", "2.622.00AC000.0.R", "2.622.0000000.0.R", None),
        ("axis", "9.80.3", "9.80.3.0", SAME),
        ("axis", "9.80.10", "9.80.9", NEWER),
        ("axis", "12.11.77", "9.80.3.11", NEWER),
        ("uniview", "CIPC-B2303.2.8.230105", "CIPC-B2303.2.10.221201", OLDER),
        ("uniview", "CIPC-B2303.2.8.230105", "CIPC-B2303.2.8.230106", OLDER),
        ("uniview", "CIPC-B2303.2.8.230105", "DIPC-B1213.6.5.230215", None),
        ("hanwha", "1.41.16", "2.22.00", OLDER),
        ("anybody", "odd", "odd", SAME),
        ("anybody", "odd", "even", None),
        ("anybody", "", "", None),
    ],
)
def test_versions_are_ordered_as_their_maker_counts(
    maker: str, first: str, second: str, ordering: Ordering | None
) -> None:
    opposite = {OLDER: NEWER, NEWER: OLDER, SAME: SAME, None: None}

    assert compare(maker, first, second) is ordering
    assert compare(maker, second, first) is opposite[ordering]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2020-06-05", "2020-06-05"),
        ("build:2020-06-05", "2020-06-05"),
        ("build 180326", "2018-03-26"),
        ("20190812", "2019-08-12"),
        ("Apr 29 2020 06:50", "2020-04-29"),
        ("2023-02-29", ""),
        ("181332", ""),
        ("1803261", ""),
        ("", ""),
        ("x" * 10_000, ""),
    ],
)
def test_build_dates_in_vendors_words(text: str, day: str) -> None:
    assert iso_date(text) == day


NUMBERS = st.lists(st.integers(0, 999), min_size=3, max_size=3).map(lambda parts: ".".join(map(str, parts)))
DATES = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(lambda day: day.strftime("%y%m%d"))
BUILDS = st.builds("V{} build {}".format, NUMBERS, DATES)


@given(st.lists(BUILDS, min_size=3, max_size=3))
def test_the_order_is_one_order(builds: list[str]) -> None:
    first, second, third = builds
    if compare("hikvision", first, second) is not NEWER and compare("hikvision", second, third) is not NEWER:
        assert compare("hikvision", first, third) is not NEWER


@given(st.sampled_from(["hikvision", "dahua", "axis", "uniview", "hanwha", "anybody"]), st.text(max_size=150))
def test_any_text_is_a_version_or_none(maker: str, text: str) -> None:
    version = parse(maker, text)

    assert version is None or version.raw == text.strip()
