"""Which published vulnerabilities a device is open to, by its maker, model, version and build date. Never by trying.

"Unknown" is a verdict: no model, no build date, a version that cannot be compared, a pattern that needs a person, an
import that was not understood, or a badge that hides the maker's model name. It is never taken for "fixed".
"""

import enum
from collections.abc import Iterable

import msgspec

from bartizan.firmware import bounds, patterns
from bartizan.firmware.bounds import Place, Unit
from bartizan.firmware.model import Advisory, AffectedRule, Grade
from bartizan.identity.model import Identity, Kind


class Standing(enum.Enum):
    """How a device stands to an advisory. Of what its rules give, the first in this order is the verdict."""

    VULNERABLE = "vulnerable"
    UNKNOWN = "unknown"
    FIXED = "fixed"
    """Of a model that was affected, and newer than what was."""
    NOT_AFFECTED = "not-affected"
    """Of another model, or older than the flaw."""


class Finding(msgspec.Struct, frozen=True):
    """How one device stands to one advisory, and by which rule."""

    advisory: str
    standing: Standing
    rule: str
    """The models and versions that decided, in the vendor's terms."""
    because: str
    grade: Grade
    """What that rule rests on."""
    source: str = ""
    """Where that rule comes from."""
    title: str = ""
    inferred: bool = False
    """Known by lineage only: the device bears another badge than the maker's that the advisory names."""
    cvss: float | None = None
    known_exploited_since: str = ""
    due: str = ""
    """By when CISA has US agencies mend it; empty if it is not in the KEV catalogue."""


class Exposure(msgspec.Struct, frozen=True):
    """Findings as a `Device` carries them."""

    vulnerabilities: tuple[str, ...]
    undecided: tuple[str, ...]


def findings(identity: Identity, advisories: Iterable[Advisory]) -> tuple[Finding, ...]:
    """Return how a device stands to every advisory about its maker; nothing if its maker is unknown."""
    if not identity.maker:
        return ()
    unit = Unit(identity)
    return tuple(_finding(unit, advisory) for advisory in advisories if advisory.maker == identity.maker)


def exposure(found: Iterable[Finding]) -> Exposure:
    """Return the advisories that a device is open to, and those of which it cannot be told."""
    open_to, undecided = [], []
    for finding in found:
        if finding.standing is Standing.VULNERABLE:
            open_to.append(finding.advisory)
        elif finding.standing is Standing.UNKNOWN:
            undecided.append(finding.advisory)
    return Exposure(tuple(dict.fromkeys(open_to)), tuple(dict.fromkeys(undecided)))


def by_urgency(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order in which people should read them: open first, exploited first, then by score."""
    order = list(Standing)
    return tuple(
        sorted(
            found,
            key=lambda each: (
                order.index(each.standing),
                not each.known_exploited_since,
                each.due,
                -(each.cvss or 0),
                each.advisory,
            ),
        )
    )


def sentence(finding: Finding) -> str:
    """Return a finding in a sentence: the verdict, why, and what that rests on."""
    marks = [
        f"known exploited since {finding.known_exploited_since}, due {finding.due or 'at no date'}"
        if finding.known_exploited_since
        else "",
        "inferred from who built it, not from its badge" if finding.inferred else "",
        f"graded {finding.grade.value}",
    ]
    rule = f" (rule: {finding.rule})" if finding.rule else ""
    return f"{finding.standing.value}: {finding.because}{rule}; {'; '.join(mark for mark in marks if mark)}"


def describe(rule: AffectedRule) -> str:
    """Return a rule in words: `DS-2CD2xx2F-I from V5.2.0 build 140721 up to V5.4.0 build 160530`."""
    limits = (
        ("on", " or ".join(rule.platforms)),
        ("from", rule.from_version),
        ("up to", rule.up_to_version),
        ("before", rule.before_version),
        ("built before", rule.before_build),
        ("fixed in", rule.fixed_version),
    )
    said = [f"{word} {bound}" for word, bound in limits if bound]
    if rule.undetermined:
        said.append("versions not published")
    elif not said or said == [f"on {' or '.join(rule.platforms)}"]:
        said.append("every version")
    return " ".join([_models(rule.models), *said])


class _Outcome(msgspec.Struct, frozen=True):
    standing: Standing
    because: str
    gives_way: bool = False
    """Unknown by this rule alone: another rule that says "fixed" decides."""

    @property
    def place(self) -> int:
        """Its place among the outcomes of an advisory's rules; the first is the verdict."""
        order = list(Standing)
        return order.index(Standing.FIXED) * 2 + 1 if self.gives_way else order.index(self.standing) * 2


def _finding(unit: Unit, advisory: Advisory) -> Finding:
    outcomes = [(_outcome(unit, rule), rule) for rule in advisory.rules]
    outcome, rule = min(outcomes, key=lambda pair: pair[0].place, default=(_NO_RULE, None))
    if advisory.unread and outcome.standing is not Standing.VULNERABLE:
        outcome, rule = _Outcome(Standing.UNKNOWN, _unread(advisory)), None
    return Finding(
        advisory=advisory.id,
        standing=outcome.standing,
        rule=describe(rule) if rule else "",
        because=outcome.because,
        grade=(rule.grade if rule else None) or advisory.grade,
        source=(rule.source if rule else "") or advisory.source,
        title=advisory.title,
        inferred=unit.is_rebadged and not (rule and unit.bears(rule.brands)),
        cvss=advisory.cvss,
        known_exploited_since=advisory.known_exploited_since,
        due=advisory.due,
    )


def _outcome(unit: Unit, rule: AffectedRule) -> _Outcome:
    if not unit.model and "*" not in rule.models:
        return _without_model(unit, rule)
    answers = [patterns.covers(unit.maker, pattern, unit.model) for pattern in rule.models]
    if True in answers:
        return _by_version(unit, rule)
    if None in answers:
        unread = rule.models[answers.index(None)]
        return _Outcome(Standing.UNKNOWN, f"the model pattern {unread!r} needs a person to read it")
    if unit.is_rebadged:
        return _by_lineage(unit, rule)
    return _Outcome(Standing.NOT_AFFECTED, f"{unit.model} is none of the models named")


def _without_model(unit: Unit, rule: AffectedRule) -> _Outcome:
    if is_about := _other_kind(unit, rule):
        return _Outcome(Standing.NOT_AFFECTED, is_about)
    return _Outcome(Standing.UNKNOWN, "its model is unknown")


def _by_lineage(unit: Unit, rule: AffectedRule) -> _Outcome:
    """A rebadged unit bears another model name: only its kind or version acquits it, and nothing can convict it."""
    if is_about := _other_kind(unit, rule) or _other_badge(unit, rule):
        return _Outcome(Standing.NOT_AFFECTED, is_about)
    outcome = _by_version(unit, rule)
    if outcome.standing in {Standing.FIXED, Standing.NOT_AFFECTED}:
        return outcome
    return _Outcome(Standing.UNKNOWN, f"another badge hides the maker's model name; {outcome.because}")


def _other_kind(unit: Unit, rule: AffectedRule) -> str:
    """Say that a rule is about another kind of thing than the unit; empty if it may be about it.

    Consulted only where the model does not decide, because a kind is often guessed from open ports.
    """
    if not rule.kinds or unit.kind in rule.kinds:
        return ""
    wanted = " or ".join(kind.value for kind in rule.kinds)
    if unit.kind is not Kind.UNKNOWN:
        return f"it is a {unit.kind.value}, and the rule is about another kind ({wanted})"
    if Kind.CAMERA in rule.kinds or Kind.RECORDER in rule.kinds:
        return ""
    return "the rule is about neither cameras nor recorders, but named models"


def _other_badge(unit: Unit, rule: AffectedRule) -> str:
    """Say that a rule names the models of some badges, and this unit is none of them; empty if it may be one."""
    if not rule.brands or not unit.brand:
        return ""
    if unit.bears(rule.brands):
        return f"{unit.model} is none of the {unit.brand} models named"
    return f"it bears the badge {unit.brand}, and the rule names models of {', '.join(rule.brands)}"


def _by_version(unit: Unit, rule: AffectedRule) -> _Outcome:
    if family := bounds.other_family(unit, rule):
        because = f"{unit.firmware} is of another firmware family than {family}"
        return _Outcome(Standing.UNKNOWN, because, gives_way=True)
    is_platform = bounds.is_platform(unit, rule)
    if is_platform is False:
        because = f"its platform {unit.platform} is none of {', '.join(rule.platforms)}"
        return _Outcome(Standing.NOT_AFFECTED, because)
    place, because = bounds.place(unit, rule)
    if place is Place.WITHIN and rule.undetermined:
        return _Outcome(Standing.UNKNOWN, "which versions are affected was not published")
    if place is Place.WITHIN and is_platform is None:
        return _Outcome(Standing.UNKNOWN, f"its platform is unknown, and the rule is about {', '.join(rule.platforms)}")
    return _Outcome(_STANDINGS[place], because)


def _models(models: tuple[str, ...]) -> str:
    if len(models) <= _SHOWN_MODELS:
        return ", ".join(models)
    return f"{', '.join(models[:_SHOWN_MODELS])} and {len(models) - _SHOWN_MODELS} more"


def _unread(advisory: Advisory) -> str:
    count = len(advisory.unread)
    more = f" and {count - 1} more" if count > 1 else ""
    return f"the import left something for a person to read: {advisory.unread[0]}{more}"


_SHOWN_MODELS = 8
_STANDINGS = {
    Place.BELOW: Standing.NOT_AFFECTED,
    Place.ABOVE: Standing.FIXED,
    Place.UNSURE: Standing.UNKNOWN,
    Place.WITHIN: Standing.VULNERABLE,
}
_NO_RULE = _Outcome(Standing.UNKNOWN, "the advisory has no rule that could decide")
