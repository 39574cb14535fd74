"""The policies, makers and advisories of this repository: their cases, their schema, their honesty."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bartizan.firmware.match import Standing, findings
from bartizan.firmware.model import Advisory
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
FILES = sorted(path for path in POLICIES.glob("*.yaml") if path.name != "makers.yaml")
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
    [row] = [line for line in guide.splitlines() if line.startswith(f"| `{subject.value}` |")]
    comparisons = {word.strip() for word in row.rstrip("|").rpartition("|")[2].split(",")}

    assert comparisons == {operator.value for operator in OPERATORS[subject]}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(policy_schema()))


def test_generated_files_are_up_to_date() -> None:
    mine = (
        "schemas/policy.schema.json",
        "agent/bartizan_agent/data/makers.json",
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


def test_flaws_of_servers_and_of_other_things_are_not_held_against_cameras(advisories: tuple[Advisory, ...]) -> None:
    left_out = {
        "CVE-2025-34067",
        "CVE-2025-30023",
        "CVE-2023-21405",
        "CVE-2017-13673",
        "CVE-2019-20085",
        "CVE-2023-28809",
    }

    assert left_out.isdisjoint(advisory.id for advisory in advisories)


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
        (("hikvision", "DS-2CD2042F-I", "V5.4.5 build 170123", ""), "CVE-2017-7921", Standing.FIXED),
        (("hikvision", "DS-2CD2042F-I", "V5.1.0 build 130101", ""), "CVE-2017-7921", Standing.NOT_AFFECTED),
        (("hikvision", "DS-7616NXI-K2/16P(D)", "V4.76.005", "2025-08-06"), "CVE-2025-66177", Standing.VULNERABLE),
        (("hikvision", "DS-2CD2143G2-I", "V5.7.18", "2024-08-26"), "CVE-2021-36260", Standing.FIXED),
        (("hikvision", "DS-2CD2143G2-I", "V5.7.18", ""), "CVE-2021-36260", Standing.UNKNOWN),
        (("dahua", "IPC-HDW5831R-ZE", "2.800.0000016.0.R", "2020-06-05"), "CVE-2021-33044", Standing.VULNERABLE),
        (("dahua", "IPC-HDW5831R-ZE", "2.800.0000016.0.R", "2020-06-05"), "CVE-2021-33045", Standing.FIXED),
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
