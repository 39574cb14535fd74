"""Policies, waivers and makers as people write them, in YAML, read into the model.

Every fault of a file is told at once, with its line, its column and what was probably meant. Sites are read by
`bartizan.policy.site_source`, advisories by `bartizan.firmware.source`.
"""

import re
from collections.abc import Collection, Iterable

from bartizan.containment.level import Level
from bartizan.ids import DeviceId, PolicyId, WaiverId
from bartizan.policy import sense
from bartizan.policy.document import Mapping, Node, Place, Scalar, Sequence, read_document
from bartizan.policy.fields import Faults, Fields, choice_of, items, suggestion, text_of
from bartizan.policy.model import (
    All,
    Any,
    Condition,
    FirmwareDuty,
    HardeningDuty,
    Maker,
    Not,
    Operator,
    Policy,
    Rule,
    Selector,
    Subject,
    Waiver,
)

POLICY_FIELDS = ("policy", "title", "version", "needs-capability", "source", "rules")
RULE_FIELDS = ("name", "when", "from", "contain", "firmware", "harden", "remove-by", "because")
FIRMWARE_FIELDS = ("within-days",)
WAIVER_FIELDS = (
    "waiver",
    "owner",
    "reason",
    "compensating-control",
    "starts",
    "expires",
    "policies",
    "level",
    "device",
    "when",
)
MAKER_FIELDS = ("maker", "name", "jurisdiction", "brands", "subject-to", "listed-by", "oui", "source")
COMBINATORS = ("all", "any", "not")
LONGEST_DUTY = 3_650  # days

_SUBJECTS = {subject.value: subject for subject in Subject}
_OPERATORS = {operator.value: operator for operator in Operator}
_OUI = re.compile(r"\A(?:[0-9A-F]{6}|[0-9A-F]{7}|[0-9A-F]{9})\Z")
_JURISDICTION = re.compile(r"\A[A-Z]{2}\Z")
_STAND_IN: Selector = All(())


def read_policy(text: str, file: str, makers: Iterable[Maker] = ()) -> Policy:
    """Return the policy in a YAML document.

    Args:
        text: YAML.
        file: What to call it in faults.
        makers: If given, conditions may only name these makers, and laws and lists that name one of them.

    Raises:
        PolicyError: With every fault.
        TooNew: It needs a capability that this program does not have.
    """
    faults = Faults(file)
    fields = Fields(read_document(text, file), faults, "policy", POLICY_FIELDS)
    reader = SelectorReader(faults, makers)
    policy = Policy(
        id=PolicyId(fields.name("policy")),
        title=fields.text("title"),
        version=fields.whole("version", 1, 1_000_000),
        needs_capability=fields.whole("needs-capability", 1, 1_000),
        rules=_rules(fields, reader),
        source=fields.text("source", ""),
    )
    faults.finish()
    sense.check_policy(policy)
    return policy


def read_waivers(
    text: str, file: str, *, makers: Iterable[Maker] = (), policies: Collection[str] = ()
) -> tuple[Waiver, ...]:
    """Return the waivers in a YAML document (`waivers:` and a list).

    Args:
        text: YAML.
        file: What to call it in faults.
        makers: If given, conditions may only name these.
        policies: If given, waivers may only except from these.

    Raises:
        PolicyError: With every fault.
    """
    faults = Faults(file)
    fields = Fields(read_document(text, file), faults, "document", ("waivers",))
    reader = SelectorReader(faults, makers)
    waivers = [_waiver(node, reader, policies) for node in _listed(fields, "waivers")]
    _refuse_repetition(faults, ((waiver.id, place) for waiver, place in waivers), "waiver")
    faults.finish()
    return tuple(waiver for waiver, _ in waivers)


def read_makers(text: str, file: str) -> tuple[Maker, ...]:
    """Return the makers in a YAML document (`makers:` and a list).

    A brand may be sold by several makers; a MAC prefix belongs to one.

    Raises:
        PolicyError: With every fault.
    """
    faults = Faults(file)
    fields = Fields(read_document(text, file), faults, "document", ("makers",))
    makers = [_maker(node, faults) for node in _listed(fields, "makers")]
    _refuse_repetition(faults, ((maker.id, place) for maker, place in makers), "maker")
    _refuse_repetition(faults, ((prefix, place) for maker, place in makers for prefix in maker.oui), "MAC prefix")
    faults.finish()
    return tuple(maker for maker, _ in makers)


def read_selector(text: str, file: str) -> Selector:
    """Return the selector that somebody typed, as in a policy's `when`: `maker: hikvision`.

    Raises:
        PolicyError: With every fault.
    """
    faults = Faults(file)
    selector = SelectorReader(faults).selector(read_document(text, file))
    faults.finish()
    return selector


class SelectorReader:
    """Reads conditions, and knows which makers, laws and lists there are."""

    def __init__(self, faults: Faults, makers: Iterable[Maker] = ()) -> None:
        self.faults = faults
        makers = tuple(makers)
        self._vocabulary = {
            Subject.MAKER: {maker.id for maker in makers},
            Subject.SUBJECT_TO: {law for maker in makers for law in maker.subject_to},
            Subject.LISTED_BY: {name for maker in makers for name in maker.listed_by},
        }
        self._is_checked = bool(makers)

    def selector(self, node: Node, depth: int = 1) -> Selector:
        """Return the selector in a node: one condition, or one of `all`, `any`, `not`."""
        if depth > sense.DEPTH_LIMIT:
            self.faults.add(node.place, f"conditions are nested more than {sense.DEPTH_LIMIT} deep")
            return _STAND_IN
        if not isinstance(node, Mapping) or not node.entries:
            self.faults.add(node.place, "a condition is a mapping such as 'maker: hikvision' or 'all: […]'")
            return _STAND_IN
        if len(node.entries) > 1:
            second = node.entries[1][0]
            self.faults.add(second.place, "one condition at a time: list several under 'all:' or 'any:'")
        key, value = node.entries[0]
        match key.text:
            case "all":
                return All(self._parts(key, value, depth))
            case "any":
                return Any(self._parts(key, value, depth))
            case "not":
                return Not(self.selector(value, depth + 1))
            case _:
                return self._condition(key, value)

    def _parts(self, key: Scalar, value: Node, depth: int) -> tuple[Selector, ...]:
        return tuple(self.selector(item, depth + 1) for item in items(value, self.faults, f"{key.text!r}"))

    def _condition(self, key: Scalar, value: Node) -> Selector:
        subject = _SUBJECTS.get(key.text)
        if subject is None:
            meant = suggestion(key.text, (*_SUBJECTS, *COMBINATORS))
            self.faults.add(key.place, f"there is no fact {key.text!r}{meant}")
            return _STAND_IN
        operator, values = self._comparison(subject, value)
        texts = tuple(text_of(node, self.faults, f"a value of {subject.value}") for node in values)
        condition = Condition(subject, operator, texts)
        if all(texts) and texts:
            self._check(condition, value.place, values)
        return condition

    def _comparison(self, subject: Subject, value: Node) -> tuple[Operator, tuple[Node, ...]]:
        if not isinstance(value, Mapping):
            return Operator.IS, self._values(subject, value)
        if len(value.entries) != 1:
            self.faults.add(value.place, f"compare {subject.value!r} in one way, such as '{{matches: …}}'")
            return Operator.IS, ()
        key, compared = value.entries[0]
        operator = _OPERATORS.get(key.text)
        if operator is None:
            possible = [operator.value for operator in sense.OPERATORS[subject]]
            self.faults.add(key.place, f"{key.text!r} is no way to compare{suggestion(key.text, possible)}")
            return Operator.IS, ()
        return operator, self._values(subject, compared)

    def _values(self, subject: Subject, value: Node) -> tuple[Node, ...]:
        return items(value, self.faults, f"the values of {subject.value}") if isinstance(value, Sequence) else (value,)

    def _check(self, condition: Condition, place: Place, values: tuple[Node, ...]) -> None:
        if problem := sense.objection(condition):
            self.faults.add(place, problem)
            return
        vocabulary = self._vocabulary.get(condition.subject)
        if not self._is_checked or vocabulary is None or condition.operator is not Operator.IS:
            return
        for node, text in zip(values, condition.values, strict=True):
            if text.casefold() not in {word.casefold() for word in vocabulary}:
                meant = suggestion(text, vocabulary)
                self.faults.add(node.place, f"no maker is known for {condition.subject.value!r} {text!r}{meant}")


def _listed(fields: Fields, name: str) -> tuple[Node, ...]:
    node = fields.required(name)
    return items(node, fields.faults, name) if node else ()


def _refuse_repetition(faults: Faults, named: Iterable[tuple[str, Place]], what: str) -> None:
    seen: dict[str, Place] = {}
    for name, place in named:
        if name and name in seen:
            faults.add(place, f"{what} {name!r} is already in line {seen[name].line}")
        seen.setdefault(name, place)


def _rules(fields: Fields, reader: SelectorReader) -> tuple[Rule, ...]:
    rules = [(_rule(node, reader), node.place) for node in _listed(fields, "rules")]
    _refuse_repetition(fields.faults, ((rule.name, place) for rule, place in rules), "rule")
    return tuple(rule for rule, _ in rules)


def _rule(node: Node, reader: SelectorReader) -> Rule:
    fields = Fields(node, reader.faults, "rule", RULE_FIELDS)
    when = fields.required("when")
    firmware = fields.node("firmware")
    rule = Rule(
        name=fields.name("name"),
        when=reader.selector(when) if when else _STAND_IN,
        because=fields.text("because"),
        contain=fields.choice("contain", Level) if fields.has("contain") else None,
        firmware=_firmware_duty(firmware, reader.faults) if firmware else None,
        harden=_hardening(fields),
        starts_at=fields.moment("from") if fields.has("from") else None,
        remove_by=fields.moment("remove-by") if fields.has("remove-by") else None,
    )
    if isinstance(node, Mapping) and not sense.has_duty(rule):
        reader.faults.add(
            node.place, "this rule demands nothing: give it 'contain', 'firmware', 'harden' or 'remove-by'"
        )
    return rule


def _firmware_duty(node: Node, faults: Faults) -> FirmwareDuty:
    fields = Fields(node, faults, "firmware duty", FIRMWARE_FIELDS)
    return FirmwareDuty(within_days=fields.whole("within-days", 1, LONGEST_DUTY))


def _hardening(fields: Fields) -> tuple[HardeningDuty, ...]:
    node = fields.node("harden")
    if node is None:
        return ()
    wanted = items(node, fields.faults, "harden")
    return tuple(dict.fromkeys(choice_of(item, fields.faults, "hardening duty", HardeningDuty) for item in wanted))


def _waiver(node: Node, reader: SelectorReader, policies: Collection[str]) -> tuple[Waiver, Place]:
    fields = Fields(node, reader.faults, "waiver", WAIVER_FIELDS)
    when = fields.node("when")
    device = fields.text("device", "")
    waiver = Waiver(
        id=WaiverId(fields.name("waiver")),
        owner=fields.text("owner"),
        reason=fields.text("reason"),
        compensating_control=fields.text("compensating-control"),
        starts_at=fields.moment("starts"),
        expires_at=fields.moment("expires"),
        policies=tuple(PolicyId(name) for name in fields.texts("policies")),
        level=fields.choice("level", Level),
        device=DeviceId(device) if device else None,
        selector=reader.selector(when) if when else None,
    )
    if fields.is_complete("owner", "reason", "compensating-control", "starts", "expires"):
        for problem in sense.waiver_objections(waiver):
            reader.faults.add(node.place, problem)
    for name in waiver.policies:
        if policies and name not in policies:
            reader.faults.add(fields.place_of("policies"), f"there is no policy {name!r}{suggestion(name, policies)}")
    return waiver, node.place


def _maker(node: Node, faults: Faults) -> tuple[Maker, Place]:
    fields = Fields(node, faults, "maker", MAKER_FIELDS)
    jurisdiction = fields.text("jurisdiction", "")
    if jurisdiction and not _JURISDICTION.match(jurisdiction):
        message = f"jurisdiction is an ISO 3166-1 code of two capital letters, not {jurisdiction!r}"
        faults.add(fields.place_of("jurisdiction"), message)
    maker = Maker(
        id=fields.name("maker"),
        name=fields.text("name"),
        jurisdiction=jurisdiction,
        source=fields.text("source"),
        brands=fields.texts("brands"),
        subject_to=fields.texts("subject-to"),
        listed_by=fields.texts("listed-by"),
        oui=fields.converted("oui", _oui),
    )
    return maker, node.place


def _oui(text: str) -> str:
    """Return a MAC prefix of 24, 28 or 36 bits."""
    digits = re.sub(r"[:\-]", "", text).upper()
    if not _OUI.match(digits):
        raise ValueError(f"{text!r} is no MAC prefix: 6, 7 or 9 hexadecimal digits are needed")
    return digits
