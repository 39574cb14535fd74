"""The policies, makers and advisories of this repository: their cases, their schema, their honesty."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bartizan.firmware.match import Standing, findings
from bartizan.firmware.model import Advisory, Grade
from bartizan.identity.model import Identity, Kind
from bartizan.policy.cases import parse_case, run
from bartizan.policy.model import Maker, Subject
from bartizan.policy.schema import policy_schema
from bartizan.policy.sense import OPERATORS
from bartizan.policy.source import read_policy
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.wire import codec
from bartizan_lab import generate

POLICIES = Path(__file__).parents[2] / "policies"
FILES = sorted(path for path in POLICIES.glob("*.yaml") if path.name not in {"makers.yaml", "fingerprints.yaml"})
CASES = sorted(POLICIES.glob("*.cases/*.txt"))


@pytest.fixture(scope="module")
def makers() -> tuple[Maker, ...]:
    return generate.makers()


@pytest.fixture(scope="module")
def advisories() -> tuple[Advisory, ...]:
    return generate.advisories()


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.stem}/{path.stem}")
def test_a_policy_demands_what_its_case_says(
    path: Path, makers: tuple[Maker, ...], advisories: tuple[Advisory, ...]
) -> None:
    source = POLICIES / f"{path.parent.stem}.yaml"
    policy = read_policy(source.read_text(encoding="utf-8"), source.name, makers)
    catalogue = Catalogue({}, 0, DirectorKeys({}), policies=(policy,), makers=makers, advisories=advisories)

    assert run(parse_case(path.read_text(encoding="utf-8"), path.name), catalogue).differences == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_policy_is_named_as_its_file_and_has_several_cases(path: Path, makers: tuple[Maker, ...]) -> None:
    policy = read_policy(path.read_text(encoding="utf-8"), path.name, makers)

    assert policy.id == path.stem
    assert len([case for case in CASES if case.parent.stem == path.stem]) >= 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_level_that_a_policy_demands_is_shown_as_packet_filter(path: Path, makers: tuple[Maker, ...]) -> None:
    policy = read_policy(path.read_text(encoding="utf-8"), path.name, makers)
    cases = [parse_case(case.read_text(encoding="utf-8"), case.name) for case in path.with_suffix(".cases").iterdir()]
    shown = {entry.value for case in cases if case.ruleset for entry in case.expected if entry.key == "level"}

    assert {rule.contain.value for rule in policy.rules if rule.contain} <= shown


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_policy_fits_the_schema_for_editors(path: Path) -> None:
    jsonschema.validate(as_editors_read(path.read_text(encoding="utf-8")), json.loads(policy_schema()))


@pytest.mark.parametrize(
    "damage",
    [
        ("contain: isolate", "contain: isolat"),
        ("- maker.subject-to:", "- maker.subject_to:"),
        ("version: 1", "version: one"),
        ("because:", "becuase:"),
        ("site.sensitivity: sensitive", "site.sensitivity: secret"),
        ("{at-most: 40}", "{at-most: 400}"),
        ("{known: false}", "{known: perhaps}"),
    ],
)
def test_the_schema_notices_what_an_editor_should_mark(damage: tuple[str, str]) -> None:
    text = (POLICIES / "uk-hcws386.yaml").read_text(encoding="utf-8")
    assert damage[0] in text

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_editors_read(text.replace(*damage)), json.loads(policy_schema()))


@pytest.mark.parametrize("subject", Subject, ids=lambda subject: subject.value)
def test_the_guide_names_every_fact_with_its_comparisons(subject: Subject) -> None:
    guide = (POLICIES / "README.md").read_text(encoding="utf-8")
    facts = guide.partition("| fact | says | comparisons |")[2].partition("\n\n")[0]
    [row] = [line for line in facts.splitlines() if line.startswith(f"| `{subject.value}` |")]
    comparisons = {word.strip() for word in row.rstrip("|").rpartition("|")[2].split(",")}

    assert comparisons == {operator.value for operator in OPERATORS[subject]}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(policy_schema()))


def test_generated_files_are_up_to_date() -> None:
    mine = (
        "schemas/policy.schema.json",
        "agent/bartizan_agent/data/makers.json",
        "agent/bartizan_agent/data/fingerprints.json",
        "agent/bartizan_agent/data/advisories.json",
    )
    by_path = {item.path: item.text for item in generate.GENERATED}

    for path in mine:
        assert (generate.ROOT / path).read_text(encoding="utf-8") == by_path[path](), path


def test_snapshots_are_what_a_stand_alone_agent_reads(
    makers: tuple[Maker, ...], advisories: tuple[Advisory, ...]
) -> None:
    data = generate.ROOT / "agent" / "bartizan_agent" / "data"

    assert codec.decode((data / "makers.json").read_bytes(), tuple[Maker, ...]) == makers
    assert codec.decode((data / "advisories.json").read_bytes(), tuple[Advisory, ...]) == advisories


def test_everything_says_where_it_comes_from_and_what_is_unconfirmed(
    makers: tuple[Maker, ...], advisories: tuple[Advisory, ...]
) -> None:
    assert all(maker.source for maker in makers)
    assert all(advisory.source for advisory in advisories)
    assert all("[M]" in maker.source for maker in makers if maker.subject_to)


def test_every_prefix_of_the_table_is_there(makers: tuple[Maker, ...]) -> None:
    prefixes = {maker.id: len(maker.oui) for maker in makers}

    assert prefixes["hikvision"] == 81 + 2 + 13  # its own, Prama Hikvision, EZVIZ
    assert prefixes["dahua"] == 33 + 4 + 2  # its own, Amcrest, Lorex
    assert prefixes["axis"] == 4


def test_flaws_of_servers_and_of_other_things_are_left_out(advisories: tuple[Advisory, ...]) -> None:
    left_out = {"CVE-2025-34067", "CVE-2025-30023", "CVE-2023-21407", "CVE-2017-13673", "CVE-2023-6895"}

    assert left_out.isdisjoint(advisory.id for advisory in advisories)


@pytest.mark.parametrize("kind", [Kind.CAMERA, Kind.RECORDER, Kind.UNKNOWN])
@pytest.mark.parametrize("lineage", ["", "badge somebody's"])
@pytest.mark.parametrize(
    ("maker", "model", "flaw"),
    [
        ("hikvision", "DS-2CD2042F-I", "CVE-2023-28809"),
        ("hikvision", "DS-7616NXI-K2/16P(D)", "CVE-2025-66176"),
        ("hikvision", "DS-2CD2042F-I", "CVE-2023-28808"),
        ("tvt", "TD-2104TS-CL", "CVE-2019-20085"),
        ("axis", "P3265-V", "CVE-2023-21405"),
    ],
)
def test_flaws_of_door_terminals_storage_and_software_are_never_held_against_cameras(
    kind: Kind, lineage: str, maker: str, model: str, flaw: str, advisories: tuple[Advisory, ...]
) -> None:
    unit = Identity(maker=maker, kind=kind, model=model, firmware="V1.0.0", lineage=lineage)

    assert [found.standing for found in findings(unit, advisories) if found.advisory == flaw] == [Standing.NOT_AFFECTED]


def test_every_row_of_cameras_and_recorders_in_the_kev_snapshot_is_there(advisories: tuple[Advisory, ...]) -> None:
    exploited = {advisory.id: advisory.maker for advisory in advisories if advisory.known_exploited_since}

    assert exploited == {
        "CVE-2014-8361": "realtek",
        "CVE-2016-11021": "dlink",
        "CVE-2017-7921": "hikvision",
        "CVE-2018-14933": "nuuo",
        "CVE-2019-11001": "reolink",
        "CVE-2019-20085": "tvt",
        "CVE-2020-25078": "dlink",
        "CVE-2020-25079": "dlink",
        "CVE-2020-5735": "dahua",
        "CVE-2021-33044": "dahua",
        "CVE-2021-33045": "dahua",
        "CVE-2021-35394": "realtek",
        "CVE-2021-35395": "realtek",
        "CVE-2021-36260": "hikvision",
        "CVE-2021-40407": "reolink",
        "CVE-2022-23227": "nuuo",
        "CVE-2022-40799": "dlink",
        "CVE-2023-47565": "qnap",
        "CVE-2024-11120": "geovision",
        "CVE-2024-6047": "geovision",
        "CVE-2024-8956": "ptzoptics",
        "CVE-2024-8957": "ptzoptics",
        "CVE-2025-1316": "edimax",
    }


def test_whatever_is_unconfirmed_says_so_in_its_grade(advisories: tuple[Advisory, ...]) -> None:
    by_id = {advisory.id: advisory for advisory in advisories}

    assert by_id["CVE-2017-7921"].grade is Grade.PUBLISHED
    assert by_id["CVE-2021-36260"].grade is Grade.UNCONFIRMED
    assert [rule.grade for rule in by_id["CVE-2021-33045"].rules] == [None, None, Grade.UNCONFIRMED]
    assert not [advisory.id for advisory in advisories if advisory.unread or advisory.imported]


def test_the_kev_catalogues_dates_are_kept(advisories: tuple[Advisory, ...]) -> None:
    exploited = {item.id: (item.known_exploited_since, item.due) for item in advisories if item.known_exploited_since}

    assert exploited["CVE-2021-36260"] == ("2022-01-10", "2022-01-24")
    assert exploited["CVE-2017-7921"] == ("2026-03-05", "2026-03-26")
    assert exploited["CVE-2021-33044"] == exploited["CVE-2021-33045"] == ("2024-08-21", "2024-09-11")


@pytest.mark.parametrize(
    ("identity", "flaw", "standing"),
    [
        (("hikvision", "DS-2CD2042F-I", "V5.4.0 build 160401", ""), "CVE-2017-7921", Standing.VULNERABLE),
        (("hikvision", "DS-2CD2042F-I", "V5.4.3 build 161230", ""), "CVE-2017-7921", Standing.UNKNOWN),
        (("hikvision", "DS-2CD4024FWD", "V5.4.5 build 170123", ""), "CVE-2017-7921", Standing.UNKNOWN),
        (("hikvision", "DS-2CD4024FWD", "V5.4.5 build 170228", ""), "CVE-2017-7921", Standing.FIXED),
        (("hikvision", "DS-2CD2042F-I", "V5.4.5 build 170123", ""), "CVE-2017-7923", Standing.UNKNOWN),
        (("hikvision", "DS-2CD2042F-I", "V5.4.0 build 160401", ""), "CVE-2017-7923", Standing.VULNERABLE),
        (("hikvision", "DS-2CD2143G2-I", "V5.5.800 build 210626", ""), "CVE-2021-36260", Standing.UNKNOWN),
        (("hikvision", "DS-2CD2143G2-I", "V5.5.800 build 210628", ""), "CVE-2021-36260", Standing.FIXED),
        (("hikvision", "DS-7604NI-K1/4P(B)", "V4.30.096build221220", ""), "CVE-2024-29947", Standing.VULNERABLE),
        (("hikvision", "DS-7604NI-K1/4P(B)", "V4.30.097 build 230101", ""), "CVE-2024-29947", Standing.FIXED),
        (("hikvision", "DS-7608NI-M2", "V5.02.005 build 230801", ""), "CVE-2024-29949", Standing.VULNERABLE),
        (("hikvision", "DS-2CD1043G2-I", "V5.7.13_230822", ""), "CVE-2025-66177", Standing.VULNERABLE),
        (("hikvision", "DS-2CD1043G2-I", "V5.7.19 build 240901", ""), "CVE-2025-66177", Standing.FIXED),
        (("hikvision", "DS-K1T341AMF", "V3.2.30 build 221223", ""), "CVE-2023-28809", Standing.VULNERABLE),
        (("hikvision", "DS-K1T804AEF", "1.4.0_build221213", ""), "CVE-2023-28809", Standing.FIXED),
        (("hikvision", "DS-A71024R", "V2.3.8-8", ""), "CVE-2023-28808", Standing.VULNERABLE),
        (("hikvision", "DS-A71024R", "V2.3.9", ""), "CVE-2023-28808", Standing.FIXED),
        (("hikvision", "DS-2CD2042F-I", "V5.4.5 build 170123", ""), "CVE-2017-7921", Standing.FIXED),
        (("hikvision", "DS-2CD2042F-I", "V5.1.0 build 130101", ""), "CVE-2017-7921", Standing.NOT_AFFECTED),
        (("hikvision", "DS-7616NXI-K2/16P(D)", "V4.76.005", "2025-08-06"), "CVE-2025-66177", Standing.VULNERABLE),
        (("hikvision", "DS-2CD2143G2-I", "V5.7.18", "2024-08-26"), "CVE-2021-36260", Standing.FIXED),
        (("hikvision", "DS-2CD2143G2-I", "V5.7.18", ""), "CVE-2021-36260", Standing.UNKNOWN),
        (("dahua", "IPC-HDW5831R-ZE", "2.800.0000016.0.R", "2020-06-05"), "CVE-2021-33044", Standing.VULNERABLE),
        (("dahua", "IPC-HDW5831R-ZE", "2.800.0000016.0.R", "2020-06-05"), "CVE-2021-33045", Standing.FIXED),
        (("dahua", "TPC-BF2221-B7F8", "2.630.0000000.9.R", "2021-05-31"), "CVE-2021-33044", Standing.VULNERABLE),
        (("dahua", "NVR4216-16P-4KS2", "4.001.0000000.2.R", "2024-01-30"), "CVE-2024-39944", Standing.VULNERABLE),
        (("dahua", "NVR4216-16P-4KS2", "4.001.0000000.2.R", "2024-01-30"), "CVE-2024-39949", Standing.FIXED),
        (("dahua", "DHI-NVR4216-16P", "4.001.0000000.2.R", "2024-01-21"), "CVE-2024-39950", Standing.VULNERABLE),
        (("dahua", "DH-NVR1104HS-P", "3.200.0001.3.R", "2016-12-01"), "CVE-2017-7925", Standing.UNKNOWN),
        (("dahua", "H4L2GR1", "2.420.HW01.31.20190301", ""), "CVE-2019-18228", Standing.VULNERABLE),
        (("dahua", "H4L2GR1", "2.420.HW01.33.20190812", ""), "CVE-2019-18228", Standing.FIXED),
        (("dahua", "H4L2GR1", "2.420.0000000.31.R.190301", ""), "CVE-2019-18228", Standing.UNKNOWN),
        (("axis", "P3265-V", "11.11.93", ""), "CVE-2024-6979", Standing.VULNERABLE),
        (("axis", "P3265-V", "11.11.94", ""), "CVE-2024-6979", Standing.FIXED),
        (("axis", "P3265-V", "11.11.160", ""), "CVE-2024-6509", Standing.UNKNOWN),
        (("axis", "P3265-V", "11.9.60", ""), "CVE-2024-7784", Standing.UNKNOWN),
        (("axis", "P3265-V", "12.11.77", ""), "CVE-2024-7784", Standing.FIXED),
        (("axis", "A1001", "1.65.4", ""), "CVE-2023-21406", Standing.VULNERABLE),
        (("hanwha", "PNM-9000QB", "2.22.00", ""), "CVE-2023-5038", Standing.VULNERABLE),
        (("uniview", "IPC322LB-SF28-A", "DIPC-B1229.1.67.230104", ""), "CVE-2023-0773", Standing.VULNERABLE),
        (("tvt", "TD-2104TS-CL", "1.3.4.22966B181219.D14.U1(8A41T)", ""), "CVE-2024-7339", Standing.VULNERABLE),
        (("tvt", "TD-2104TS-CL", "1.3.5.30000B200101.D14.U1(8A41T)", ""), "CVE-2024-7339", Standing.UNKNOWN),
        (("ptzoptics", "PT30X-SDI-GY-G2", "6.3.39", ""), "CVE-2024-8956", Standing.VULNERABLE),
        (("axis", "P3265-V", "11.5.64", ""), "CVE-2023-21415", Standing.VULNERABLE),
        (("axis", "P3265-V", "10.12.91", ""), "CVE-2023-21415", Standing.UNKNOWN),
        (("axis", "P3265-V", "12.11.77", ""), "CVE-2023-21415", Standing.FIXED),
        (("hanwha", "QNV-8080R", "1.41.15", ""), "CVE-2023-5037", Standing.VULNERABLE),
        (("hanwha", "QNV-8080R", "2.22.00", ""), "CVE-2023-5037", Standing.FIXED),
        (("uniview", "IPC3612", "CIPC-B2303.2.8.230105", ""), "CVE-2023-0773", Standing.VULNERABLE),
        (("uniview", "IPC3612", "CIPC-B2303.2.9.230505", ""), "CVE-2023-0773", Standing.FIXED),
        (("uniview", "IPC3612", "QIPC-B2201.2.9.230505", ""), "CVE-2023-0773", Standing.UNKNOWN),
        (("xiongmai", "NBD8016", "", ""), "CVE-2017-16725", Standing.VULNERABLE),
    ],
)
def test_known_units_stand_as_published(
    identity: tuple[str, str, str, str], flaw: str, standing: Standing, advisories: tuple[Advisory, ...]
) -> None:
    maker, model, firmware, built = identity
    unit = Identity(maker=maker, brand="", kind=Kind.CAMERA, model=model, firmware=firmware, build_date=built)
    [finding] = [finding for finding in findings(unit, advisories) if finding.advisory == flaw]

    assert finding.standing is standing


def as_editors_read(text: str) -> Any:
    """Read YAML as editors do, except that a date is text to them."""
    document = yaml.safe_load(text)
    return json.loads(
        json.dumps(document, default=lambda value: value.isoformat() if isinstance(value, dt.date) else None)
    )
