"""`bartizan advisory` on files alone: no controller, no profile. The documents are synthetic."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bartizan.cli import documents
from bartizan.cli.advisory import advisory
from bartizan.cli.terminal import Failed
from tests.firmware.published import csaf, cve, exploited, kev, octets, product

POLICIES = Path(__file__).parents[2] / "policies"
MAKERS = ("--makers", str(POLICIES / "makers.yaml"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(advisory, [str(argument) for argument in arguments])


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A CSAF document of which one product is not understood."""
    file = tmp_path / "icsa.json"
    readable = product("1", "DS-2CD63xx Series", ">= 5.0.9 build  140305 | <= 5.3.5  Build 160106")
    file.write_bytes(octets(csaf(readable, product("2", "DS-2CD4xx5 Series", "all, see web"))))
    return file


def test_a_draft_is_written_once_and_waits_for_a_person(document: Path, tmp_path: Path) -> None:
    """It says where it is from; it is not overwritten, not passed by `check`, and not signed."""
    out = tmp_path / "drafts"
    written = run("import", "csaf", document, "--out", out, *MAKERS)
    draft = out / "icsa-00-000-01.yaml"

    assert written.exit_code == 0, written.output
    assert 'imported: {feed: "csaf", document: "ICSA-00-000-01", version: "2", date: "2022-10-10"}' in draft.read_text()
    assert run("import", "csaf", document, "--out", out, *MAKERS).exit_code == 1
    checked = run("check", draft, *MAKERS)
    assert checked.exit_code == 1
    assert "CVE-2000-0001 (hikvision): versions 'all, see web' of 'DS-2CD4xx5 Series'" in checked.output
    with pytest.raises(Failed, match="before anybody signs"):
        documents.targets({draft: documents.read(draft)})


def test_a_draft_that_was_read_is_signed_like_any_other(document: Path, tmp_path: Path) -> None:
    """What a person struck from `unread` is no longer in the way."""
    run("import", "csaf", document, "--out", tmp_path / "drafts", *MAKERS)
    draft = tmp_path / "drafts" / "icsa-00-000-01.yaml"
    lines = draft.read_text().splitlines(keepends=True)
    draft.write_text("".join(line for line in lines if "unread:" not in line and "all, see web" not in line))

    assert run("check", draft, *MAKERS).exit_code == 0
    assert list(documents.targets({draft: documents.read(draft)})) == ["policy/advisories.json"]


def test_without_a_folder_drafts_are_shown(tmp_path: Path) -> None:
    """As YAML, with what a person must read counted below."""
    file = tmp_path / "cve.json"
    file.write_bytes(octets(cve({"vendor": "Hikvision", "product": "n/a", "versions": []})))
    shown = run("import", "cve", file, *MAKERS)

    assert shown.exit_code == 0
    assert "  - advisory: CVE-2000-0002" in shown.output
    assert "versions: unpublished" in shown.output


def test_a_document_of_nobody_we_know_gives_nothing_and_says_so(tmp_path: Path) -> None:
    """Exit code 1, also beside documents that gave something, unless a person says whose products these are."""
    file, known = tmp_path / "icsa.json", tmp_path / "known.json"
    known.write_bytes(octets(csaf(product("1", "DS-2CD2xx2FWD", " <= 5.4.4  Build 161125"))))
    file.write_bytes(octets(csaf(product("1", "H4L2GR1", " <2.420.HW01.33.20190812"), vendor="Honeywell")))
    refused = run("import", "csaf", file, *MAKERS)

    assert refused.exit_code == 1
    assert "no maker is known for vendor 'Honeywell'" in refused.output
    assert run("import", "csaf", known, *MAKERS).exit_code == 0
    assert run("import", "csaf", known, file, *MAKERS).exit_code == 1
    assert run("import", "csaf", file, "--maker", "dahua", *MAKERS).exit_code == 0
    assert "has no maker 'honeywell'" in run("import", "csaf", file, "--maker", "honeywell", *MAKERS).output


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """One advisory, and what people wrote around it."""
    file = tmp_path / "kept.yaml"
    file.write_text(
        "# Ours.\nadvisories:\n  - advisory: CVE-2021-36260\n    title: T  # theirs\n    maker: hikvision\n"
        '    grade: V\n    source: S\n    affected:\n      - models: ["DS-2*"]\n'
    )
    return file


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A KEV catalogue that names it, and another that is not kept."""
    file = tmp_path / "kev.json"
    file.write_bytes(
        octets(
            kev(
                exploited("CVE-2021-36260", "Hikvision", "2022-01-10", "2022-01-24"),
                exploited("CVE-2021-33044", "Dahua", "2024-08-21", "2024-09-11"),
            )
        )
    )
    return file


def test_kev_dates_are_shown_first_and_written_when_asked(kept: Path, catalogue: Path) -> None:
    """A difference, and then the same file with one line more."""
    before = kept.read_text()
    shown = run("import", "kev", catalogue, "--advisories", kept, *MAKERS)

    assert shown.exit_code == 0, shown.output
    assert "+    known-exploited: {since: 2022-01-10, due: 2022-01-24}" in shown.output
    assert "no advisory here: CVE-2021-33044 Dahua" in shown.output
    assert kept.read_text() == before

    assert run("import", "kev", catalogue, "--advisories", kept, "--write", *MAKERS).exit_code == 0
    line = "    maker: hikvision\n"
    assert kept.read_text() == before.replace(
        line, f"{line}    known-exploited: {{since: 2022-01-10, due: 2022-01-24}}\n"
    )
    again = run("import", "kev", catalogue, "--advisories", kept, *MAKERS)
    assert "2 entries, 0 would change" in again.output


def test_what_is_no_kev_catalogue_is_refused(kept: Path, document: Path) -> None:
    """And nothing is changed."""
    assert run("import", "kev", document, "--advisories", kept, "--write", *MAKERS).exit_code == 1


def test_a_device_is_held_against_everything() -> None:
    """The verdict, since when the flaw is exploited, when it is due, why, by which rule, and how sure that is."""
    result = run(
        "match", POLICIES, "--maker", "hikvision", "--model", "DS-2CD2042F-I", "--firmware", "V5.4.0",
        "--build-date", "2016-04-01", "--json",
    )  # fmt: skip
    found: dict[str, dict[str, Any]] = {each["advisory"]: each for each in json.loads(result.output)}

    assert found["CVE-2017-7921"] == {
        "advisory": "CVE-2017-7921",
        "standing": "vulnerable",
        "rule": "DS-2CD2xx2F-I from V5.2.0 build 140721 up to V5.4.0 build 160530 fixed in V5.4.5 build 170123",
        "because": "V5.4.0 is V5.2.0 build 140721 or newer, and V5.4.0 is not newer than V5.4.0 build 160530",
        "grade": "V",
        "source": found["CVE-2017-7921"]["source"],
        "title": "Login can be bypassed; the flaw that BBC Panorama showed in 2023",
        "inferred": False,
        "cvss": 10.0,
        "known_exploited_since": "2026-03-05",
        "due": "2026-03-26",
    }
    assert found["CVE-2024-29947"]["standing"] == "not-affected"


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (("--platform", "G5"), "not-affected"),
        (("--platform", "ARTPEC-8"), "vulnerable"),
        ((), "unknown"),
    ],
)
def test_the_platform_decides_where_a_rule_is_about_one(facts: tuple[str, ...], verdict: str) -> None:
    """AXIS OS 11.9 is open on one chip and not on another."""
    result = run("match", POLICIES, "--maker", "axis", "--model", "P3265-V", "--firmware", "11.9.60", *facts, "--json")
    found = {each["advisory"]: each["standing"] for each in json.loads(result.output)}

    assert found["CVE-2024-7784"] == verdict


def test_a_badge_makes_a_verdict_inferred() -> None:
    """The table says so, and leaves out what does not concern the device."""
    result = run(
        "match", POLICIES, "--maker", "dahua", "--badge", "Amcrest", "--model", "IP8M-2496EW", "--kind", "camera",
        "--firmware", "2.622.00AC000.0.R", "--build-date", "2019-11-04",
    )  # fmt: skip

    assert "CVE-2021-33044  unknown (inferred)  2024-08-21  2024-09-11" in result.output
    assert "CVE-2024-39949" not in result.output
    assert "CVE-2019-18228" not in result.output


def test_advisories_are_listed_and_shown() -> None:
    """From files; with the grade and source of each rule that has its own."""
    listed = run("list", POLICIES, "--maker", "dahua", "--exploited", "--json")
    shown = run("show", "cve-2021-33045", POLICIES)

    assert {each["id"] for each in json.loads(listed.output)} == {"CVE-2021-33044", "CVE-2021-33045", "CVE-2020-5735"}
    assert "VTO75X95X, VTO65XXX, VTH542XH built before 2019-12-01 [camera, other]" in shown.output
    assert "(grade M)" in shown.output
    assert run("show", "CVE-1999-0001", POLICIES).exit_code == 1


def test_all_that_is_shipped_was_read_by_a_person() -> None:
    """No import with something unread is among it."""
    assert run("check", POLICIES / "advisories", *MAKERS).exit_code == 0
