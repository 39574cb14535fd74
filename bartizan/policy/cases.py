"""Readable cases beside a policy: a situation above a line of dashes, and below it what the policy is to demand.

    A Hikvision camera on a sensitive site reaches its recorders only.

    site.sensitivity: sensitive
    maker: hikvision
    model: DS-2CD2143G2-I
    ----------------------------------------
    level: isolate
    explanation: isolate, because rule sensitive-sites of uk-hcws386@1 (…); maker Hikvision, confidence 0

The first paragraph says what the case is about. Above the line stand facts by the names that conditions use
(`bartizan.policy.situation`). Below it stand what is checked: `level`, `firmware` (`within 14 days` or `none`),
`harden`, `remove-by` (a date, or `none`), `matched` (names of rules, or `none`) and `explanation`; what is left out is
not checked. After a second line of dashes may follow what a gateway puts into its packet filter if this is its only
device, as nft commands; the chains that look into these sets are the same everywhere (`bartizan.containment.rules`). A
line that begins with `#` is for people, one that begins with a space continues the one before.
"""

import re
from collections.abc import Iterator

import msgspec

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.containment.render import contents
from bartizan.errors import Refused
from bartizan.identity.model import Device
from bartizan.policy.errors import Fault, PolicyError
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.facts import day
from bartizan.policy.model import Verdict
from bartizan.policy.situation import Entry, Situation, read_situation
from bartizan.trust.content import Catalogue

CASE_LIMIT = 64 * 1024  # characters of a case file
EXPECTATIONS = ("level", "firmware", "harden", "remove-by", "matched", "explanation")

_DASHES = re.compile(r"^-{3,}[ \t]*$", re.MULTILINE)


class Case(msgspec.Struct, frozen=True):
    """One situation, and what is to come of it."""

    file: str
    title: str
    situation: Situation
    expected: tuple[Entry, ...]
    ruleset: str = ""
    """What is expected in the packet filter, as nft commands; empty if not checked."""


class Difference(msgspec.Struct, frozen=True):
    """One thing that came out otherwise."""

    what: str
    expected: str
    got: str


class Result(msgspec.Struct, frozen=True):
    """What came of one case."""

    case: Case
    differences: tuple[Difference, ...]
    verdict: Verdict | None = None
    """None if the catalogue could not be evaluated at all."""

    @property
    def passed(self) -> bool:
        """Whether everything came out as expected."""
        return not self.differences


def parse_case(text: str, file: str) -> Case:
    """Return the case in a text.

    Raises:
        PolicyError: With every fault.
    """
    faults: list[Fault] = []
    if len(text) > CASE_LIMIT:
        raise PolicyError((Fault(file, 1, 1, f"more than {CASE_LIMIT} characters"),))
    above, below, ruleset, below_line = _parts(text)
    title, facts_text, facts_line = _titled(above)
    situation_entries = list(_entries(facts_text, facts_line, file, faults))
    expected = list(_entries(below, below_line, file, faults))
    _check_expected(expected, file, faults)
    if not title:
        faults.append(Fault(file, 1, 1, "begin with a sentence that says what the case is about, and an empty line"))
    situation = read_situation(situation_entries, file, faults)
    if faults:
        raise PolicyError(tuple(sorted(faults)))
    return Case(file, title, situation, tuple(expected), ruleset)


def run(case: Case, catalogue: Catalogue) -> Result:
    """Return what comes of a case under a catalogue's policies, makers and advisories.

    Args:
        case: The case; its waivers and orders are added to none of the catalogue's.
        catalogue: Of it the policies, makers and advisories count.
    """
    situation = case.situation
    staged = msgspec.structs.replace(catalogue, waivers=situation.waivers)
    device = situation.device_under(catalogue.advisories)
    try:
        verdict = Evaluator(staged, situation.site, situation.books).verdict(device, situation.at)
    except Refused as refusal:
        return Result(case, (Difference("catalogue", "accepted", str(refusal)),))
    differences = list(_differences(case, verdict))
    if case.ruleset.strip():
        got = contents(_ruleset(situation, device, verdict.level))
        differences += _filter_differences(_commands(case.ruleset), _commands(got))
    return Result(case, tuple(differences), verdict)


def _parts(text: str) -> tuple[str, str, str, int]:
    """Split a text at its lines of dashes: situation, expectations, packet filter, and the second's first line."""
    pieces = _DASHES.split(text.replace("\r\n", "\n"), maxsplit=2)
    above, below, ruleset = (*pieces, "", "")[:3]
    return above, below.removeprefix("\n"), ruleset, above.count("\n") + 2


def _titled(above: str) -> tuple[str, str, int]:
    """Split off the first paragraph: the title, the rest, and the rest's first line."""
    title: list[str] = []
    lines = above.split("\n")
    for number, line in enumerate(lines):
        if title and not line.strip():
            return " ".join(title), "\n".join(lines[number:]), number + 1
        if line.strip() and not line.startswith("#"):
            title.append(line.strip())
    return "", above, 1


def _entries(text: str, first_line: int, file: str, faults: list[Fault]) -> Iterator[Entry]:
    held: Entry | None = None
    for number, line in enumerate(text.split("\n"), first_line):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and held is not None:
            held = held._replace(value=f"{held.value} {line.strip()}".strip())
            continue
        if held is not None:
            yield held
        key, colon, value = line.partition(":")
        if not colon:
            faults.append(Fault(file, number, 1, f"{line.strip()!r} is not written as 'name: value'"))
        held = Entry(number, key.strip(), value.strip()) if colon else None
    if held is not None:
        yield held


def _check_expected(expected: list[Entry], file: str, faults: list[Fault]) -> None:
    if not expected:
        faults.append(Fault(file, 1, 1, "expect something: a line of dashes, and below it at least 'level: …'"))
    seen: set[str] = set()
    for entry in expected:
        if entry.key not in EXPECTATIONS:
            possible = ", ".join(EXPECTATIONS)
            faults.append(Fault(file, entry.line, 1, f"{entry.key!r} cannot be expected; possible are: {possible}"))
        elif entry.key in seen:
            faults.append(Fault(file, entry.line, 1, f"{entry.key!r} is expected twice"))
        elif entry.key == "level" and entry.value not in {level.value for level in Level}:
            faults.append(Fault(file, entry.line, 1, f"there is no level {entry.value!r}"))
        seen.add(entry.key)


def _differences(case: Case, verdict: Verdict) -> Iterator[Difference]:
    got = {
        "level": verdict.level.value,
        "firmware": f"within {verdict.firmware.within_days} days" if verdict.firmware else "none",
        "harden": _listed(duty.value for duty in verdict.harden),
        "remove-by": "none" if verdict.remove_by is None else day(verdict.remove_by),
        "matched": _listed(reason.id.rpartition("/")[2] for reason in verdict.reasons if reason.kind == "rule"),
        "explanation": verdict.explanation,
    }
    for entry in case.expected:
        expected = " ".join(entry.value.split())
        if entry.key in {"harden", "matched"}:
            expected = _listed(word.strip() for word in expected.split(",") if word.strip() != "none")
        if got[entry.key] != expected:
            yield Difference(entry.key, expected, got[entry.key])


def _filter_differences(expected: list[str], got: list[str]) -> Iterator[Difference]:
    """Yield what only one of the two has; in which order sets are filled makes no difference."""
    missing = [line for line in expected if line not in got]
    other = [line for line in got if line not in expected]
    if missing or other:
        yield Difference("packet filter", "\n".join(missing) or "nothing", "\n".join(other) or "nothing")


def _commands(text: str) -> list[str]:
    lines = (line.strip() for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def _listed(words: Iterator[str]) -> str:
    return ", ".join(sorted(words)) or "none"


def _ruleset(situation: Situation, device: Device, level: Level) -> Ruleset:
    """Return what a gateway would enforce if this were its only device."""
    site = situation.site
    contained = ContainedDevice(
        id=device.id,
        interface=device.interface,
        level=level,
        macs=device.macs,
        addresses=device.addresses,
        recorders=site.recorders,
    )
    segments = tuple(Segment(segment.interface, segment.default_level) for segment in site.segments)
    return Ruleset(segments, site.estate_networks, (contained,), segment_recorders=site.recorders)
