"""From evidence to who a device is: precedence, confidence, conflicts, badges, and knowing when not to know."""

from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.identity.directory import Directory
from bartizan.identity.fingerprints import Fingerprint
from bartizan.identity.model import Evidence, Fact, Identity, Kind, Observation, Source
from bartizan.identity.score import identify
from bartizan.ids import Mac
from bartizan.policy.model import Maker

DATA = Path(__file__).parents[2] / "agent/bartizan_agent/data"
MAKERS = (
    Maker("hikvision", "Hikvision", "CN", "t", brands=("Annke", "Honeywell"), oui=("4419B6",)),
    Maker("dahua", "Dahua", "CN", "t", brands=("Amcrest", "Lorex", "Honeywell"), oui=("3CEF8C", "3446632")),
    Maker("axis", "Axis", "SE", "t", brands=("Axis Communications",), oui=("ACCC8E", "8C1F64F4B")),
    Maker("uniview", "Uniview", "CN", "t", oui=("48EA63",)),
    Maker("other", "Other", "DE", "t", oui=("344663",)),
)
FINGERPRINTS = tuple(msgspec.json.decode((DATA / "fingerprints.json").read_bytes(), type=list[Fingerprint]))
DIRECTORY = Directory(MAKERS, FINGERPRINTS)
SHIPPED = Directory(msgspec.json.decode((DATA / "makers.json").read_bytes(), type=tuple[Maker, ...]), FINGERPRINTS)
HIKVISION_MAC = Mac("44:19:b6:12:34:56")
DAHUA_MAC = Mac("3c:ef:8c:12:34:56")


def say(fact: Fact, value: str, source: Source, weight: int = 80, detail: str = "") -> Evidence:
    return Evidence(fact, value, source, weight, detail)


def seen(*evidence: Evidence, mac: Mac | None = None) -> Identity:
    return identify(Observation("eth1", (), mac, evidence=evidence), DIRECTORY)


def test_without_evidence_nothing_is_known() -> None:
    assert seen() == Identity()


def test_firmware_and_prefix_together_are_surer_than_either() -> None:
    identity = seen(
        say(Fact.OEM_CODE, "1", Source.ISAPI),
        say(Fact.MODEL, "DS-2CD2143G2-I", Source.ISAPI),
        say(Fact.FIRMWARE, "V5.7.18 build 240826", Source.ISAPI),
        say(Fact.SERIAL, "DS-2CD2143G2-I20240101AAWR123", Source.ISAPI),
        mac=HIKVISION_MAC,
    )

    assert identity == Identity(
        maker="hikvision",
        brand="Hikvision",
        kind=Kind.CAMERA,
        model="DS-2CD2143G2-I",
        firmware="V5.7.18 build 240826",
        build_date="2024-08-26",
        serial="DS-2CD2143G2-I20240101AAWR123",
        confidence=97,
        reasons=(
            "maker Hikvision by ISAPI OEMCode (1), weight 92",
            "maker Hikvision by OUI (44:19:b6), weight 60",
        ),
        known_by=("ISAPI OEMCode", "OUI"),
    )


def test_a_badge_hides_nobody_whose_firmware_speaks() -> None:
    identity = seen(
        say(Fact.BRAND, "ANNKE", Source.ONVIF),
        say(Fact.MODEL, "C800", Source.ISAPI),
        mac=HIKVISION_MAC,
    )

    assert (identity.maker, identity.brand) == ("hikvision", "Annke")
    assert identity.lineage == "badge Annke; Hikvision by ISAPI dialect and OUI"


def test_a_neutral_unit_with_anothers_code_is_told_as_such() -> None:
    identity = seen(say(Fact.OEM_CODE, "17", Source.SADP))

    assert (identity.maker, identity.brand) == ("hikvision", "")
    assert identity.lineage == "neutral badge; Hikvision by SADP OEMCode"


def test_letters_in_the_firmware_name_maker_and_badge() -> None:
    identity = seen(say(Fact.FIRMWARE, "2.622.00AC000.0.R", Source.ONVIF))

    assert (identity.maker, identity.brand, identity.known_by) == ("dahua", "Amcrest", ("firmware form Amcrest",))
    assert identity.lineage == "badge Amcrest; Dahua by firmware form Amcrest"


@pytest.mark.parametrize("firmware", ["1.2.AC3", "10.12.91", "V5.7.18 build 240826", "2.622.00ZZ000.0.R"])
def test_other_makers_firmware_is_not_read_as_dahuas(firmware: str) -> None:
    assert seen(say(Fact.FIRMWARE, firmware, Source.ONVIF)).maker == ""


def test_the_form_of_univiews_versions_is_its_own() -> None:
    assert seen(say(Fact.FIRMWARE, "CIPC-B2303.2.8.230105", Source.ONVIF)).maker == "uniview"


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        (say(Fact.MODEL, "x", Source.ISAPI, 10), say(Fact.MAKER, "dahua", Source.DHDISCOVER, 99)),
        (say(Fact.MAKER, "hikvision", Source.SADP, 10), say(Fact.MAKER, "dahua", Source.OPERATOR, 99)),
        (say(Fact.MAKER, "hikvision", Source.OPERATOR, 10), say(Fact.MAKER, "dahua", Source.HTTP, 99)),
        (say(Fact.MAKER, "hikvision", Source.HTTP, 10), say(Fact.BRAND, "Lorex", Source.ONVIF, 99)),
    ],
)
def test_evidence_closer_to_the_silicon_decides_whatever_its_weight(stronger: Evidence, weaker: Evidence) -> None:
    identity = seen(weaker, stronger)

    assert identity.maker == "hikvision"
    assert any(reason.startswith("conflict: maker Dahua by") for reason in identity.reasons)


def test_a_conflict_costs_confidence_and_stays_in_the_reasons() -> None:
    clear = seen(say(Fact.MODEL, "DS-2CD2143G2-I", Source.ISAPI))
    doubtful = seen(say(Fact.MODEL, "DS-2CD2143G2-I", Source.ISAPI), mac=DAHUA_MAC)

    assert (clear.confidence, doubtful.confidence) == (90, 63)
    assert "conflict: maker Dahua by OUI (3c:ef:8c), weight 60" in doubtful.reasons


def test_equal_evidence_for_two_makers_names_neither() -> None:
    identity = seen(say(Fact.MAKER, "axis", Source.HTTP), say(Fact.MAKER, "dahua", Source.RTSP))

    assert (identity.maker, identity.confidence) == ("", 0)
    assert "evidence for several makers is equal: the maker is unknown" in identity.reasons


def test_one_source_counts_once_however_often_it_speaks() -> None:
    repeated = seen(*[say(Fact.MAKER, "axis", Source.HTTP, 50)] * 10)

    assert repeated.confidence == 50


def test_nothing_is_certain() -> None:
    identity = seen(say(Fact.MAKER, "axis", Source.VAPIX, 100), say(Fact.MAKER, "axis", Source.HTTP, 100))

    assert identity.confidence == 99


@pytest.mark.parametrize(
    ("mac", "maker"),
    [
        ("44:19:b6:00:00:01", "hikvision"),
        ("34:46:63:20:00:01", "dahua"),
        ("34:46:63:30:00:01", "other"),
        ("8c:1f:64:f4:b0:01", "axis"),
        ("8c:1f:64:f4:c0:01", ""),
        ("46:19:b6:00:00:01", ""),
    ],
)
def test_the_longest_registered_prefix_counts_and_invented_addresses_do_not(mac: str, maker: str) -> None:
    assert seen(mac=Mac(mac)).maker == maker


def test_an_invented_address_is_said_to_be_one() -> None:
    assert seen(mac=Mac("46:19:b6:00:00:01")).reasons == ("its MAC address is locally administered and names no maker",)


def test_a_badge_alone_is_a_weak_hint() -> None:
    identity = seen(say(Fact.BRAND, "Lorex", Source.ONVIF))

    assert (identity.maker, identity.confidence, identity.known_by) == ("dahua", 30, ("badge Lorex",))


def test_a_badge_that_several_supply_names_nobody() -> None:
    identity = seen(say(Fact.BRAND, "HONEYWELL", Source.ONVIF))

    assert (identity.maker, identity.brand) == ("", "Honeywell")
    assert identity.lineage == "badge Honeywell; maker unknown"
    assert identity.reasons == ("badge Honeywell is sold by Hikvision, Dahua: it names no maker",)


@pytest.mark.parametrize("neutral", ["General", "private", "IP Camera", "n/a"])
def test_what_neutral_units_say_is_no_badge(neutral: str) -> None:
    assert seen(say(Fact.MAKER, "dahua", Source.DHDISCOVER), say(Fact.BRAND, neutral, Source.DHDISCOVER)).brand == ""


def test_a_maker_that_the_catalogue_does_not_describe_stays_unknown_and_is_told() -> None:
    identity = seen(say(Fact.MAKER, "ACME", Source.ONVIF))

    assert (identity.maker, identity.brand) == ("", "ACME")
    assert "ONVIF names 'ACME', of whom the catalogue says nothing" in identity.reasons


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ([("NVR", Source.ISAPI, 80)], Kind.RECORDER),
        ([("IPCamera", Source.ISAPI, 80)], Kind.CAMERA),
        ([("printer", Source.MDNS, 60)], Kind.OTHER),
        ([("printer", Source.MDNS, 50), ("camera", Source.HTTP, 90)], Kind.UNKNOWN),
        ([("printer", Source.MDNS, 90), ("camera", Source.HTTP, 50)], Kind.OTHER),
        ([("printer", Source.MDNS, 90), ("camera", Source.ISAPI, 50)], Kind.CAMERA),
        ([("camera", Source.HTTP, 60), ("recorder", Source.RTSP, 60)], Kind.UNKNOWN),
        ([("unknown", Source.ISAPI, 99)], Kind.UNKNOWN),
    ],
)
def test_a_camera_must_say_so_louder_than_anything_else_is_said(
    words: list[tuple[str, Source, int]], kind: Kind
) -> None:
    assert seen(*[say(Fact.KIND, *word) for word in words]).kind is kind


@pytest.mark.parametrize(
    ("maker", "model", "kind"),
    [
        ("hikvision", "DS-2CD2143G2-I", Kind.CAMERA),
        ("hikvision", "iDS-7216HUHI-M2/XT", Kind.RECORDER),
        ("hikvision", "DS-K1T804", Kind.OTHER),
        ("dahua", "DH-IPC-HDW5831R-ZE", Kind.CAMERA),
        ("dahua", "DHI-NVR4108", Kind.RECORDER),
        ("uniview", "NVR301-04S2-P4", Kind.RECORDER),
        ("axis", "IPC-HDW5831R-ZE", Kind.UNKNOWN),
    ],
)
def test_the_model_tells_the_kind_where_nothing_else_does(maker: str, model: str, kind: Kind) -> None:
    assert seen(say(Fact.MAKER, maker, Source.HTTP), say(Fact.MODEL, model, Source.HTTP)).kind is kind


@pytest.mark.parametrize(
    ("maker", "model"),
    [
        ("hikvision", "DS-7616NI-K2/16P"),
        ("dahua", "DHI-NVR4108"),
        ("uniview", "NVR301-04S2-P4"),
        ("hanwha", "XRN-420S"),
        ("tvt", "NVR5-8200PX"),
        ("xiongmai", "NBD8016"),
    ],
)
def test_a_recorder_that_says_it_transmits_video_is_a_recorder(maker: str, model: str) -> None:
    """They all do, in WS-Discovery: of a recorder the cameras behind it are asked."""
    said = (
        say(Fact.MAKER, maker, Source.HTTP),
        say(Fact.MODEL, model, Source.WS_DISCOVERY),
        say(Fact.KIND, "camera", Source.WS_DISCOVERY, weight=45),
    )

    assert identify(Observation("eth1", (), evidence=said), SHIPPED).kind is Kind.RECORDER


def test_the_build_date_comes_from_the_source_of_the_firmware_first() -> None:
    identity = seen(
        say(Fact.FIRMWARE, "V5.7.18", Source.ISAPI),
        say(Fact.BUILD_DATE, "build 240826", Source.ISAPI),
        say(Fact.FIRMWARE, "V5.5.6 build 180326", Source.SADP),
        say(Fact.BUILD_DATE, "2018-03-26", Source.SADP, 99),
    )

    assert (identity.firmware, identity.build_date) == ("V5.7.18", "2024-08-26")


def test_a_build_date_that_is_none_is_left_out() -> None:
    assert seen(say(Fact.BUILD_DATE, "build 991399", Source.ISAPI)).build_date == ""


@pytest.mark.parametrize("serial", ["0000000000", "1234567890", "N/A", "serial number", "x", "FFFFFFFF"])
def test_serial_numbers_that_name_nothing_are_left_out(serial: str) -> None:
    assert seen(say(Fact.SERIAL, serial, Source.ISAPI)).serial == ""


def test_hostile_text_becomes_one_short_printable_line() -> None:
    hostile = "DS-1\x1b[2J\r\n\u202eevil\u200b" + "x" * 10_000
    model = seen(say(Fact.MODEL, hostile, Source.ISAPI)).model

    assert model.startswith("DS-1 [2J evil x")
    assert len(model) == 128


EVIDENCE = st.lists(
    st.builds(
        Evidence,
        st.sampled_from(Fact),
        st.sampled_from(["hikvision", "Dahua", "Annke", "printer", "camera", "1", "V5.7.18 build 240826", ""])
        | st.text(max_size=40),
        st.sampled_from(Source),
        st.integers(-5, 120),
    ),
    max_size=8,
)


@given(EVIDENCE, st.none() | st.sampled_from([HIKVISION_MAC, DAHUA_MAC]))
def test_any_evidence_gives_an_identity_that_holds_together(evidence: list[Evidence], mac: Mac | None) -> None:
    identity = seen(*evidence, mac=mac)

    assert 0 <= identity.confidence <= 99
    assert bool(identity.maker) == bool(identity.known_by)
    assert identity == seen(*evidence, mac=mac)
    printer = say(Fact.KIND, "printer", Source.ISAPI, 120)
    assert seen(printer, *evidence, mac=mac).kind is not Kind.CAMERA


@given(EVIDENCE, st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(evidence: list[Evidence], order: Random) -> None:
    shuffled = list(evidence)
    order.shuffle(shuffled)

    assert seen(*shuffled) == seen(*evidence)
