"""The JSON Schema of policies as people write them, for editors. Made from the model, so that it cannot lag behind.

It knows less than `bartizan.policy.source`, which decides: a schema cannot say which maker exists.
"""

import json
from typing import Any

from bartizan.containment.level import Level
from bartizan.policy import sense
from bartizan.policy.model import HardeningDuty, Operator, Subject
from bartizan.policy.source import FIRMWARE_FIELDS, LONGEST_DUTY, POLICY_FIELDS, RULE_FIELDS

SCHEMA_ID = "urn:bartizan:schema:policy"
DUTIES = ("contain", "firmware", "harden", "remove-by")

_ABOUT: dict[Subject, str] = {
    Subject.MAKER: "Who really built it, by identifier in makers.yaml",
    Subject.JURISDICTION: "Where its maker is incorporated, ISO 3166-1",
    Subject.SUBJECT_TO: "A law that its maker is subject to",
    Subject.LISTED_BY: "A list that names its maker",
    Subject.CONFIDENCE: "How sure the maker is, 0 to 100; 0 if unknown",
    Subject.BRAND: "The badge on it",
    Subject.KIND: "What sort of thing it is",
    Subject.MODEL: "Its model",
    Subject.FIRMWARE: "Its firmware, compared in the maker's own order, or its build with a date",
    Subject.VULNERABLE_TO: "An advisory that its firmware is open to",
    Subject.KNOWN_EXPLOITED: "Whether its firmware is open to a flaw of the KEV catalogue",
    Subject.HARDENING: "A hardening check that it fails",
    Subject.FIRST_SEEN: "The day on which its gateway first saw it, UTC",
    Subject.DEVICE_TAG: "A tag that the site's facts give it",
    Subject.ZONE: "The zone of its segment",
    Subject.SITE: "The site it is at",
    Subject.SITE_SENSITIVITY: "Whether that site is sensitive",
    Subject.SITE_TAG: "A tag of that site",
    Subject.ORGANISATION: "The organisation of that site",
}


_MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$"


def policy_schema() -> str:
    """Return the schema as JSON text."""
    return json.dumps(_document(), indent=2, ensure_ascii=False) + "\n"


def _document() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Bartizan policy",
        **_mapping(
            {
                "policy": {"$ref": "#/$defs/name", "description": "Identifier of the policy"},
                "title": _text("What it is for, in a line"),
                "version": {"type": "integer", "minimum": 1, "description": "Rises with every change"},
                "needs-capability": {"type": "integer", "minimum": 1, "description": "Older programs refuse it"},
                "source": _text("The statement, law or standard that it carries out"),
                "rules": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/rule"}},
            },
            POLICY_FIELDS,
            optional=("source",),
        ),
        "$defs": {
            "name": {"type": "string", "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"},
            "rule": _rule(),
            "selector": {"oneOf": [*_combinators(), *(_condition(subject) for subject in Subject)]},
        },
    }


def _rule() -> dict[str, Any]:
    duty = _mapping({"within-days": {"type": "integer", "minimum": 1, "maximum": LONGEST_DUTY}}, FIRMWARE_FIELDS)
    rule = _mapping(
        {
            "name": {"$ref": "#/$defs/name"},
            "when": {"$ref": "#/$defs/selector"},
            "from": _moment("When it begins; at once if left out"),
            "contain": {"enum": [level.value for level in Level], "description": "The level demanded, or tighter"},
            "firmware": {**duty, "description": "Bring the firmware up to what the catalogue holds"},
            "harden": {
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {"enum": [duty.value for duty in HardeningDuty]},
            },
            "remove-by": _moment("When the device must be gone"),
            "because": _text("The reason in a sentence, as operators and auditors will read it"),
        },
        RULE_FIELDS,
        optional=("from", *DUTIES),
    )
    return {**rule, "anyOf": [{"required": [duty]} for duty in DUTIES]}


def _combinators() -> list[dict[str, Any]]:
    parts = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/selector"}}
    return [
        {**_single("all", parts), "description": "Every part holds"},
        {**_single("any", parts), "description": "At least one part holds"},
        {**_single("not", {"$ref": "#/$defs/selector"}), "description": "The part does not hold"},
    ]


def _condition(subject: Subject) -> dict[str, Any]:
    operators = [operator for operator in Operator if operator in sense.OPERATORS[subject]]
    forms = [_single(operator.value, _compared(subject, operator)) for operator in operators]
    if Operator.IS in operators:
        forms.insert(0, _compared(subject, Operator.IS))
    return {**_single(subject.value, {"oneOf": forms}), "description": _ABOUT[subject]}


def _compared(subject: Subject, operator: Operator) -> dict[str, Any]:
    if operator in {Operator.IS, Operator.MATCHES}:
        one = _value(subject) if operator is Operator.IS else {"type": "string"}
        return {"oneOf": [one, {"type": "array", "minItems": 1, "items": one}]}
    if operator is Operator.KNOWN:
        return {"type": "boolean"}
    if subject is Subject.CONFIDENCE:
        return {"type": "integer", "minimum": 0, "maximum": 100}
    return {"type": ["string", "number"]}


def _value(subject: Subject) -> dict[str, Any]:
    if subject is Subject.KNOWN_EXPLOITED:
        return {"type": "boolean"}
    if subject in sense.CHOICES:
        return {"enum": list(sense.CHOICES[subject])}
    return {"type": ["string", "number"]} if subject is Subject.FIRMWARE else {"type": "string"}


def _mapping(properties: dict[str, Any], fields: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """A closed mapping, with its fields in the order in which people write them."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [field for field in fields if field not in optional],
        "properties": {field: properties[field] for field in fields},
    }


def _single(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": [key], "properties": {key: value}}


def _moment(description: str) -> dict[str, Any]:
    """A date, or a time with its zone."""
    return {"type": "string", "pattern": _MOMENT, "description": description}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": description}
