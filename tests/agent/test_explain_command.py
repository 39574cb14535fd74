"""What `bartizan-agent explain` says of a device, from what the gateway itself holds."""

from bartizan.containment.level import Level
from bartizan.firmware.match import by_urgency, findings
from bartizan.firmware.model import Advisory, AffectedRule, Grade
from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, Mac
from bartizan.policy.explain import Explanation
from bartizan.policy.model import Verdict
from bartizan_agent.cli.explain import lines

CAMERA = Device(
    id=DeviceId("serial:hikvision:1"),
    identity=Identity(
        maker="hikvision", model="DS-2CD2042F-I", firmware="V5.4.0 build 160401", reasons=("MAC prefix 44:47:CC",)
    ),
    interface="eth1",
    macs=(Mac("44:47:cc:00:00:01"),),
    addresses=(Address("10.9.0.11"),),
)
EXPLANATION = Explanation(Verdict(level=Level.ISOLATE, reasons=(), explanation="isolate, because"), ())


def advisory(identifier: str, before: str, *, exploited: bool = False, model: str = "DS-2CD2*") -> Advisory:
    return Advisory(
        id=identifier,
        title="A flaw",
        maker="hikvision",
        rules=(AffectedRule((model,), before_build=before),),
        source="HSRC",
        grade=Grade.PUBLISHED,
        known_exploited_since="2022-01-10" if exploited else "",
        due="2022-01-24" if exploited else "",
    )


def said(*advisories: Advisory, device: Device = CAMERA) -> list[str]:
    found = by_urgency(findings(device.identity, advisories))
    return lines(device, EXPLANATION, found, "isolate")


def test_every_verdict_is_told_with_its_rule_the_most_urgent_first() -> None:
    told = said(
        advisory("CVE-3", "2016-01-01"),
        advisory("CVE-2", "2021-06-25"),
        advisory("CVE-1", "2021-06-25", exploited=True),
        advisory("CVE-4", "2021-06-25", model="DS-9*"),
    )
    open_to = "vulnerable: built 2016-04-01, before 2021-06-25 (rule: DS-2CD2* built before 2021-06-25)"
    at = told.index("vulnerabilities: 4 advisories about its maker, 3 concern it")

    assert told[at + 1 : at + 4] == [
        f"  CVE-1 {open_to}; known exploited since 2022-01-10, due 2022-01-24; graded V",
        f"  CVE-2 {open_to}; graded V",
        "  CVE-3 fixed: built 2016-04-01, not before 2016-01-01 (rule: DS-2CD2* built before 2016-01-01); graded V",
    ]


def test_a_maker_of_whom_nothing_is_known_is_told_so() -> None:
    assert "vulnerabilities: no advisory is about its maker" in said()
