"""From what was read to findings: whoever says that something is wrong is believed, and silence is unknown."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.cli.shortfalls import shortfalls as told_by_the_command
from bartizan.containment.level import Level
from bartizan.hardening.checks import CHECKS
from bartizan.hardening.model import Hardening, Severity, Standing
from bartizan.hardening.rules import EVIDENCE_LIMIT, assess, findings, standing
from bartizan.identity.model import Device, Evidence, Fact, Identity, Kind, Source
from bartizan.ids import DeviceId
from bartizan.policy.model import HardeningDuty, Verdict
from bartizan_agent.cli.shortfalls import shortfalls
from bartizan_agent.evidence import device_postures


def say(fact: Fact, value: str, source: Source = Source.ISAPI, weight: int = 95, detail: str = "a look") -> Evidence:
    return Evidence(fact, value, source, weight, detail)


def of(*evidence: Evidence, ports: tuple[int, ...] = (), kind: Kind = Kind.CAMERA) -> Hardening:
    return assess(evidence, ports, kind)


def test_every_check_is_a_duty_that_policy_can_demand() -> None:
    assert {check.id for check in CHECKS} == {duty.value for duty in HardeningDuty}


def test_what_could_not_be_read_is_unknown_and_never_met() -> None:
    nothing = of()

    assert nothing == Hardening()
    assert {finding.standing for finding in findings(nothing)} == {Standing.UNKNOWN}


@pytest.mark.parametrize(
    ("check", "fact"),
    [
        (HardeningDuty.NO_TELNET.value, Fact.TELNET),
        (HardeningDuty.NO_SSH.value, Fact.SSH),
        (HardeningDuty.NO_UPNP.value, Fact.UPNP),
        (HardeningDuty.NO_VENDOR_CLOUD.value, Fact.VENDOR_CLOUD),
        (HardeningDuty.NO_VENDOR_UPDATES.value, Fact.VENDOR_UPDATES),
        (HardeningDuty.HTTPS_ONLY.value, Fact.PLAIN_HTTP),
        (HardeningDuty.ONVIF_LOGIN.value, Fact.ONVIF_WITHOUT_LOGIN),
    ],
)
def test_one_source_that_says_on_outweighs_all_that_say_off(check: str, fact: Fact) -> None:
    on, off = say(fact, "on", Source.PORT, 10), say(fact, "off")

    assert standing(of(off), check) is Standing.MET
    assert standing(of(on), check) is Standing.FAILED
    assert standing(of(off, on), check) is Standing.FAILED
    assert "a look" in of(on).failed[check]


def test_onvif_that_is_off_needs_no_login() -> None:
    assert standing(of(say(Fact.ONVIF, "off")), HardeningDuty.ONVIF_LOGIN.value) is Standing.MET
    assert standing(of(say(Fact.ONVIF, "on")), HardeningDuty.ONVIF_LOGIN.value) is Standing.UNKNOWN


def test_whoever_answers_upnp_has_it_on_whatever_it_says() -> None:
    hardening = of(say(Fact.UPNP, "off"), say(Fact.UUID, "x", Source.SSDP))

    assert hardening.failed[HardeningDuty.NO_UPNP.value] == "it answers UPnP's search (SSDP)"


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ((say(Fact.FACTORY_STATE, "true"),), Standing.FAILED),
        ((say(Fact.FACTORY_STATE, "false"),), Standing.MET),
        ((say(Fact.DEFAULT_PASSWORD, "accepted"), say(Fact.FACTORY_STATE, "false")), Standing.FAILED),
        ((say(Fact.DEFAULT_PASSWORD, "refused"),), Standing.MET),
        ((say(Fact.DEFAULT_PASSWORD, "refused"), say(Fact.FACTORY_STATE, "true")), Standing.FAILED),
    ],
)
def test_no_password_and_the_makers_password_are_the_same_to_a_stranger(
    evidence: tuple[Evidence, ...], expected: Standing
) -> None:
    assert standing(of(*evidence), HardeningDuty.NO_DEFAULT_PASSWORD.value) is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("NTP 10.0.0.1", Standing.MET),
        ("NTP fd00::1", Standing.MET),
        ("NTP 8.8.8.8", Standing.FAILED),
        ("NTP 0.uk.pool.ntp.org", Standing.FAILED),
        ("NTP time.windows.com", Standing.FAILED),
        ("NTP ntp.council.example", Standing.UNKNOWN),
        ("NTP ", Standing.UNKNOWN),
        ("NTP 0.0.0.0", Standing.UNKNOWN),
        ("manual", Standing.FAILED),
    ],
)
def test_time_comes_from_inside(said: str, expected: Standing) -> None:
    assert standing(of(say(Fact.TIME_SOURCE, said)), HardeningDuty.TIME_SOURCE.value) is expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (["1920x1080"], Standing.MET),
        (["1080x1920"], Standing.MET),
        (["1280x720"], Standing.FAILED),
        (["1280x720", "2688x1520"], Standing.MET),
        (["1440x1080"], Standing.FAILED),
        (["wide"], Standing.UNKNOWN),
    ],
)
def test_the_largest_picture_is_measured_against_1080p(sizes: list[str], expected: Standing) -> None:
    hardening = of(*[say(Fact.RESOLUTION, size) for size in sizes])

    assert standing(hardening, HardeningDuty.RESOLUTION.value) is expected
    assert standing(
        of(*[say(Fact.RESOLUTION, s) for s in sizes], kind=Kind.RECORDER), HardeningDuty.RESOLUTION.value
    ) is (Standing.UNKNOWN)


def test_ports_that_a_camera_has_no_use_for_are_told() -> None:
    assert of(ports=(21, 22, 23, 80, 554)).failed[HardeningDuty.NO_UNKNOWN_PORTS.value] == "open: TCP 21"
    assert standing(of(ports=(80, 443, 554)), HardeningDuty.NO_UNKNOWN_PORTS.value) is Standing.MET
    assert standing(of(), HardeningDuty.NO_UNKNOWN_PORTS.value) is Standing.UNKNOWN


def test_recognition_of_people_is_listed_as_what_is_offered() -> None:
    assert of(say(Fact.ANALYTICS, "face recognition"), say(Fact.ANALYTICS, "face detection")).analytics == (
        "face detection",
        "face recognition",
    )


def test_what_is_no_camera_is_not_checked() -> None:
    assert of(say(Fact.TELNET, "on"), ports=(23,), kind=Kind.OTHER) == Hardening()


def test_what_failed_comes_first_the_gravest_before_the_others_each_with_its_mending() -> None:
    told = findings(of(say(Fact.SSH, "on"), say(Fact.TELNET, "on"), say(Fact.UPNP, "off"), say(Fact.RESOLUTION, "1x1")))

    assert [finding.check for finding in told[:2]] == ["no-telnet", "no-ssh"]
    assert told[0].severity is Severity.HIGH
    assert told[-1].check == "no-upnp"
    assert all(finding.mend and finding.source and finding.title for finding in told)


EVIDENCE = st.lists(
    st.builds(
        Evidence,
        st.sampled_from(Fact),
        st.sampled_from(["on", "off", "true", "NTP x", "1920x1080", "9" * 300]) | st.text(max_size=300),
        st.sampled_from(Source),
        st.integers(-5, 120),
        st.text(max_size=300),
    ),
    max_size=12,
)


@given(EVIDENCE, st.lists(st.integers(1, 65535), max_size=8), st.sampled_from(Kind))
def test_whatever_a_device_says_the_findings_hold_together_and_stay_small(
    evidence: list[Evidence], ports: list[int], kind: Kind
) -> None:
    hardening = assess(evidence, tuple(ports), kind)

    assert not hardening.failed.keys() & set(hardening.met)
    assert all(0 < len(text) <= EVIDENCE_LIMIT for text in hardening.failed.values())
    assert len(findings(hardening)) == len(CHECKS)


def test_how_a_device_stands_to_its_duties_travels_with_its_posture() -> None:
    device = Device(DeviceId("d"), Identity(), "cam0", hardening=of(say(Fact.TELNET, "on"), say(Fact.SSH, "off")))
    duties = (HardeningDuty.NO_TELNET, HardeningDuty.NO_SSH, HardeningDuty.NO_UPNP)
    verdict = Verdict(Level.WATCH, (), harden=duties)

    (posture,) = device_postures([device], {device.id: verdict}, {}, (), {})

    assert posture.harden == {"no-telnet": "failed", "no-ssh": "met", "no-upnp": "unknown"}


def test_shortfalls_are_told_in_lines_and_so_is_what_policy_demands() -> None:
    device = Device(DeviceId("d"), Identity(), "cam0", hardening=of(say(Fact.TELNET, "on"), say(Fact.SSH, "off")))
    verdict = Verdict(Level.WATCH, (), harden=(HardeningDuty.NO_TELNET, HardeningDuty.NO_UPNP))

    assert shortfalls(device, verdict) == [
        "hardening:",
        "  fails no-telnet (high, policy demands it): telnet is on (a look)",
        "    to mend it: switch off telnet; where it cannot be, isolate it",
        "  no-upnp: unknown, policy demands it",
    ]
    found = msgspec.to_builtins(findings(device.hardening))
    assert told_by_the_command(found, {"harden": {"no-upnp": "unknown"}}) == [
        "no-telnet failed (high): telnet is on (a look); to mend it: switch off telnet; where it cannot be, isolate it",
        "no-upnp unknown (medium, policy demands it)",
    ]
