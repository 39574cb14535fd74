"""What happens where a fact is unknown: nothing by itself, and a policy can ask for just that."""

import pytest

from bartizan.firmware.model import Advisory, Grade
from bartizan.hardening.model import Hardening, Shortfall
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan.policy.facts import Facts
from bartizan.policy.model import All, Any, Condition, Maker, Not, Operator, Selector, SiteFacts, Subject
from bartizan.policy.selectors import compile_selector

FACTS = Facts(
    SiteFacts(SiteId("hq"), OrganisationId("")),
    (Maker("axis", "Axis", "SE", "x"), Maker("hikvision", "Hikvision", "CN", "x", subject_to=("law",))),
    (
        Advisory("CVE-1", "t", "axis", (), "s", Grade.PUBLISHED, known_exploited_since="2024-01-01"),
        Advisory("CVE-2", "t", "axis", (), "s", Grade.PUBLISHED),
    ),
)


def device(maker: str = "", *, model: str = "", firmware: str = "", build_date: str = "") -> Device:
    return Device(DeviceId("d"), Identity(maker=maker, model=model, firmware=firmware, build_date=build_date), "eth1")


def weighed(open_to: tuple[str, ...] = (), perhaps: tuple[str, ...] = ()) -> Device:
    identity = Identity("axis", kind=Kind.CAMERA, model="P3265-V", firmware="11.5.64")
    return Device(DeviceId("d"), identity, "eth1", vulnerabilities=open_to, undecided=perhaps)


def ask(selector: Selector, of: Device) -> bool | None:
    return compile_selector(selector, FACTS)(of)


def is_(subject: Subject, value: str) -> Condition:
    return Condition(subject, Operator.IS, (value,))


def known(subject: Subject, value: str) -> Condition:
    return Condition(subject, Operator.KNOWN, (value,))


TRUE, FALSE, UNKNOWN = is_(Subject.SITE, "hq"), is_(Subject.SITE, "depot"), is_(Subject.MAKER, "axis")


@pytest.mark.parametrize(
    ("parts", "both", "either"),
    [
        ((TRUE, TRUE), True, True),
        ((TRUE, FALSE), False, True),
        ((TRUE, UNKNOWN), None, True),
        ((FALSE, FALSE), False, False),
        ((FALSE, UNKNOWN), False, None),
        ((UNKNOWN, UNKNOWN), None, None),
    ],
)
def test_the_tables_of_all_and_any(parts: tuple[Selector, Selector], *, both: bool | None, either: bool | None) -> None:
    for ordered in (parts, parts[::-1]):
        assert ask(All(ordered), device()) is both
        assert ask(Any(ordered), device()) is either


def test_not_of_unknown_is_unknown() -> None:
    assert ask(UNKNOWN, device()) is None
    assert ask(Not(UNKNOWN), device()) is None
    assert ask(Not(Not(UNKNOWN)), device()) is None


def test_known_is_never_unknown() -> None:
    assert ask(known(Subject.MAKER, "false"), device()) is True
    assert ask(known(Subject.MAKER, "true"), device()) is False
    assert ask(Not(known(Subject.MAKER, "true")), device()) is True
    assert ask(known(Subject.KIND, "false"), device()) is True


@pytest.mark.parametrize(
    ("maker", "expected"), [("hikvision", True), ("axis", False), ("", None), ("not-in-the-catalogue", None)]
)
def test_laws_of_a_maker_that_is_not_described_are_unknown(maker: str, *, expected: bool | None) -> None:
    assert ask(is_(Subject.SUBJECT_TO, "law"), device(maker)) is expected


@pytest.mark.parametrize(
    ("at", "flaw", "expected"),
    [
        (weighed(("CVE-1",)), "CVE-1", True),
        (weighed(("CVE-2",)), "CVE-1", False),
        (weighed(perhaps=("CVE-1",)), "CVE-1", None),
        (weighed(("CVE-2",), ("CVE-1",)), "CVE-2", True),
        (device("axis"), "CVE-1", None),
        (device("axis", model="P3265-V"), "CVE-1", None),
    ],
)
def test_what_was_never_weighed_is_not_healthy(at: Device, flaw: str, *, expected: bool | None) -> None:
    assert ask(is_(Subject.VULNERABLE_TO, flaw), at) is expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (weighed(("CVE-1", "CVE-2")), True),
        (weighed(("CVE-2",)), False),
        (weighed(("CVE-2",), ("CVE-1",)), None),
        (weighed(perhaps=("CVE-2",)), False),
        (device(), None),
    ],
)
def test_exploited_flaws_follow_from_the_catalogue(at: Device, *, expected: bool | None) -> None:
    assert ask(is_(Subject.KNOWN_EXPLOITED, "true"), at) is expected
    assert ask(known(Subject.KNOWN_EXPLOITED, "false"), at) is (expected is None)


@pytest.mark.parametrize(
    ("hardening", "expected"),
    [
        (Hardening((Shortfall("no-telnet", "TCP 23"),)), True),
        (Hardening(met=("no-telnet",)), False),
        (Hardening((Shortfall("no-ssh", "TCP 22"),)), None),
    ],
)
def test_a_setting_that_could_not_be_read_is_unknown(hardening: Hardening, *, expected: bool | None) -> None:
    at = Device(DeviceId("d"), Identity(), "eth1", hardening=hardening)

    assert ask(is_(Subject.HARDENING, "no-telnet"), at) is expected


@pytest.mark.parametrize(
    ("operator", "bound", "firmware", "built", "expected"),
    [
        (Operator.BEFORE, "V5.4.5 build 170123", "V5.4.0 build 160530", "", True),
        (Operator.BEFORE, "V5.4.5 build 170123", "V5.5.0", "2016-05-30", True),
        (Operator.BEFORE, "V5.4.5 build 170123", "V5.4.5 build 170123", "", False),
        (Operator.AT_MOST, "V5.4.5 build 170123", "V5.4.5 build 170123", "", True),
        (Operator.AT_LEAST, "V5.4.5 build 170123", "V5.7.18 build 240826", "", True),
        (Operator.AFTER, "V5.4.5 build 170123", "V5.7.18", "", None),
        (Operator.BEFORE, "2021-06-25", "V5.7.18", "2021-06-24", True),
        (Operator.BEFORE, "2021-06-25", "V5.7.18", "2021-06-25", False),
        (Operator.BEFORE, "2021-06-25", "unreadable", "2021-06-24", True),
        (Operator.BEFORE, "2021-06-25", "V5.7.18", "", None),
        (Operator.BEFORE, "V5.4.5 build 170123", "", "", None),
    ],
)
def test_firmware_is_compared_as_its_maker_counts(
    operator: Operator, bound: str, firmware: str, built: str, *, expected: bool | None
) -> None:
    condition = Condition(Subject.FIRMWARE, operator, (bound,))

    assert ask(condition, device("hikvision", firmware=firmware, build_date=built)) is expected
    assert ask(Not(condition), device("hikvision", firmware=firmware, build_date=built)) is (
        None if expected is None else not expected
    )


def test_firmware_of_an_unknown_maker_cannot_be_compared() -> None:
    assert ask(Condition(Subject.FIRMWARE, Operator.BEFORE, ("2.0",)), device("", firmware="1.0")) is None


@pytest.mark.parametrize(
    ("seen", "operator", "expected"),
    [
        (1_706_659_199.0, Operator.BEFORE, True),
        (1_706_659_200.0, Operator.BEFORE, False),
        (1_706_659_200.0, Operator.AFTER, False),
        (1_706_745_600.0, Operator.AFTER, True),
        (0.0, Operator.BEFORE, None),
    ],
)
def test_first_seen_counts_whole_days_in_utc(seen: float, operator: Operator, *, expected: bool | None) -> None:
    seen_then = Device(DeviceId("d"), Identity(), "eth1", first_seen=seen)

    assert ask(Condition(Subject.FIRST_SEEN, operator, ("2024-01-31",)), seen_then) is expected


def test_words_are_compared_without_case_and_patterns_have_no_other_magic() -> None:
    camera = device("axis", model="DS-2CD[1]")

    assert ask(is_(Subject.MODEL, "ds-2cd[1]"), camera) is True
    assert ask(Condition(Subject.MODEL, Operator.MATCHES, ("ds-*[1]",)), camera) is True
    assert ask(Condition(Subject.MODEL, Operator.MATCHES, ("ds-2cd[0-9]",)), camera) is False


def test_a_hostile_model_name_does_not_make_patterns_slow() -> None:
    camera = device("axis", model="a" * 20_000)

    assert ask(Condition(Subject.MODEL, Operator.MATCHES, ("*a" * 20 + "b",)), camera) is False
