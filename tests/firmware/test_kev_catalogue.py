"""What the KEV catalogue says of advisories that are kept here. The catalogue is synthetic, its dates are real."""

import msgspec
import pytest

from bartizan.firmware.feeds.kev import Exploited, KevChange, changes, read_kev, without_advisory
from bartizan.firmware.feeds.yaml_text import with_kev_dates
from bartizan.firmware.model import Advisory, Grade
from bartizan.firmware.source import read_advisories
from tests.firmware.published import VENDORS, exploited, kev, octets

HIKVISION = exploited("CVE-2021-36260", "Hikvision", "2022-01-10", "2022-01-24")
DAHUA = exploited("CVE-2021-33044", "Dahua", "2024-08-21", "2024-09-11")
STRANGER = exploited("CVE-1999-0001", "Somebody", "2024-08-21", "2024-09-11")


def kept(identifier: str, maker: str, since: str = "", due: str = "") -> Advisory:
    return Advisory(identifier, "t", maker, (), "s", Grade.PUBLISHED, known_exploited_since=since, due=due)


def test_a_catalogue_is_read() -> None:
    catalogue = read_kev(octets(kev(HIKVISION)))

    assert (catalogue.version, catalogue.released, catalogue.problems) == ("2025.08.25", "2025-08-25", ())
    assert catalogue.entries == (
        Exploited(
            cve="CVE-2021-36260",
            vendor="Hikvision",
            product="IP Camera Firmware",
            title="Somebody's Cameras Something",
            since="2022-01-10",
            due="2022-01-24",
        ),
    )


def test_a_damaged_entry_does_not_spoil_the_others() -> None:
    document = kev({"cveID": 5}, HIKVISION, {**DAHUA, "dueDate": "2020-01-01"}, {**DAHUA, "dateAdded": "soon"})
    document["count"] = 9
    catalogue = read_kev(octets(document))

    assert [entry.cve for entry in catalogue.entries] == ["CVE-2021-36260"]
    assert [problem.partition(":")[0] for problem in catalogue.problems] == [
        "entry 1",
        "entry 3",
        "entry 4",
        "it says that it has 9 entries, and has 4",
    ]


def test_dates_change_where_they_differ_and_nothing_is_taken_back() -> None:
    catalogue = read_kev(octets(kev(HIKVISION, DAHUA)))
    here = (
        kept("CVE-2021-36260", "hikvision"),
        kept("CVE-2021-33044", "dahua", "2024-08-21", "2024-09-11"),
        kept("CVE-2017-7921", "hikvision", "2026-03-05", "2026-03-26"),
    )

    assert changes(here, catalogue) == (KevChange("CVE-2021-36260", "hikvision", "2022-01-10", "2022-01-24", "", ""),)


def test_entries_about_known_makers_without_an_advisory_are_named() -> None:
    catalogue = read_kev(octets(kev(HIKVISION, DAHUA, STRANGER)))

    assert [entry.cve for entry in without_advisory((kept("CVE-2021-36260", "hikvision"),), catalogue, VENDORS)] == [
        "CVE-2021-33044"
    ]


TEXT = """# A comment that stays.
advisories:
  - advisory: CVE-2021-36260
    title: Commands can be injected   # and this one
    maker: hikvision{exploited}
    grade: M
    source: >-
      Somewhere
      else
    affected:
      - models: ["DS-2*"]

  - advisory: CVE-2021-36260
    title: The same number of another maker
    maker: axis
    grade: M
    source: x
    affected:
      - models: ["*"]
"""
CHANGE = KevChange("CVE-2021-36260", "hikvision", "2022-01-10", "2022-01-24", "", "")


@pytest.mark.parametrize(
    "before",
    [
        "",
        "\n    known-exploited: {since: 2020-01-01, due: 2020-02-02}",
        "\n    known-exploited:\n      since: 2020-01-01\n      due: 2020-02-02",
    ],
)
def test_dates_are_written_into_the_text_and_nothing_else_is_touched(before: str) -> None:
    text = TEXT.replace("{exploited}", before)
    after = with_kev_dates(text, CHANGE)

    assert after == TEXT.replace("{exploited}", "\n    known-exploited: {since: 2022-01-10, due: 2022-01-24}")
    assert [advisory.due for advisory in read_advisories(after, "a.yaml")] == ["2022-01-24", ""]


def test_an_advisory_that_is_not_in_the_text_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        with_kev_dates(TEXT.replace("{exploited}", ""), msgspec.structs.replace(CHANGE, maker="dahua"))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"vulnerabilities": 5}'])
def test_what_is_no_catalogue_is_told(data: bytes) -> None:
    assert read_kev(data).entries == ()
    assert "not of the form" in read_kev(data).problems[0]
