"""The schemas of the wire are published: what gateways in the field were built against does not change silently."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bartizan.containment.level import Level
from bartizan.ids import BootId, DeviceId, ImageId, KeyId, OrderId, PolicyId, RolloutId, SiteId
from bartizan.policy.model import Condition, Operator, Policy, Rule, Subject
from bartizan.trust.content import DirectorKeys
from bartizan.trust.credentials import Credential, CredentialBook
from bartizan.trust.orders import Activate, Install, OrderBook, Raise, Scan
from bartizan.trust.push import Push, Wave
from bartizan.wire import capability, codec
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import CatalogueBundle, Certificate, EventsAck, OrdersEnvelope, ReportAck, ReportWanted
from bartizan.wire.enrolment import EnrolmentRequest
from bartizan.wire.schema import wire_schema
from bartizan.wire.up import DevicePosture, Event, Events, Hello, Posture, RenewCertificate, Report, Will

SCHEMAS = Path(__file__).parents[2] / "schemas"

PUBLISHED = {
    1: "21bd34da1c48876b6e76a529c9be3ffbd3ccdf747e333357a2ce07f6bbd368d8",
    2: "6d0361bea2f718a42b0fd08208353811d0d8d07923addb379a18886047f76671",
    3: "1ba5ae233fd421f25b3b0cf0cd140cf0e203f720b22fafe5e09bf885ebcfc967",
    4: "3662c8eb4738fdde4a346bd0ae9def5befb444e7f44520b9578fc0dc49e4c4b1",
}
"""Digest of what each capability's schema means. An entry of a released capability is never changed."""

CHANGED = f"""\
What crosses the wire has changed, and gateways of capability {CAPABILITY} do not know it. Raise CAPABILITY in
bartizan/wire/capability.py with a dated line, run `make generate`, commit the new schemas/wire-<n>.json, and add its
digest to PUBLISHED here. Only while {CAPABILITY} has not been released may its own digest be changed instead, to: \
"""

SITE, BOOT, DEVICE = SiteId("north"), BootId("b1"), DeviceId("serial:axis:ACCC8E000001")
HIKVISION = Condition(Subject.MAKER, Operator.IS, ("hikvision",))
MESSAGES = {
    "up": (
        Hello(site=SITE, boot=BOOT, capability=1, agent_version="0.1.0", catalogue={"root": 1}),
        Will(SITE, BOOT),
        Report(SITE, BOOT, 1.5, "d", (), Posture({}, False, 0, 0, "", (DevicePosture(DEVICE, Level.ISOLATE, None),))),
        Events(SITE, BOOT, (Event(1, 2.5, "device.found", DEVICE, {"maker": "axis"}),)),
        RenewCertificate(SITE, "-----BEGIN CERTIFICATE REQUEST-----"),
    ),
    "down": (
        EventsAck(BOOT, 7),
        ReportAck("d"),
        ReportWanted(),
        CatalogueBundle({"timestamp.json": b"{}"}),
        OrdersEnvelope(b"\x00\xff"),
        Certificate("-----BEGIN CERTIFICATE-----"),
    ),
    "orders": (
        OrderBook(
            generation=3,
            issued_at=1.0,
            expires_at=2.0,
            capability=1,
            site=SITE,
            orders=(
                Raise(OrderId("raise-1"), Level.QUARANTINE, "why", "who", device=DEVICE),
                Raise(OrderId("raise-2"), Level.ISOLATE, "why", "who", selector=HIKVISION),
                Install(OrderId("install-1"), RolloutId("r"), DEVICE, ImageId("sha256:00")),
                Scan(OrderId("scan-1")),
                Activate(OrderId("activate-1"), 5, "ab" * 32),
            ),
        ),
    ),
    "credentials": (CredentialBook(1, {DEVICE: Credential("root", "secret")}),),
    "enrolment-request": (EnrolmentRequest("bz1.x", "-----BEGIN CERTIFICATE REQUEST-----", "AA=="),),
    "target-policy": (
        Policy(PolicyId("p"), "title", 1, 1, (Rule("r", HIKVISION, "because", contain=Level.ISOLATE),), "source"),
    ),
    "target-push": (
        Push(5, 4, (SITE,), 2.0, (Wave(percent=10), Wave(selector=Condition(Subject.SITE, Operator.IS, ("south",))))),
    ),
    "target-director": (DirectorKeys({KeyId("00"): "AA=="}),),
}


def test_the_committed_schema_is_what_the_code_says() -> None:
    """`make generate` writes it; other implementations read it."""
    assert (SCHEMAS / f"wire-{CAPABILITY}.json").read_text(encoding="utf-8") == wire_schema()


def test_what_was_published_never_changes() -> None:
    """Every capability keeps its schema. Words in it may be improved; what it means may not."""
    found = {
        number: meaning((SCHEMAS / f"wire-{number}.json").read_text(encoding="utf-8"))
        for number in range(1, CAPABILITY + 1)
    }

    assert found == PUBLISHED, f"{CHANGED}{found[CAPABILITY]}"


def test_a_changed_message_needs_a_new_capability() -> None:
    """A field more is another meaning; another description of it is not."""
    schema = json.loads(wire_schema())
    schema["$defs"]["Hello"]["description"] = "Otherwise said."
    reworded = json.dumps(schema)
    schema["$defs"]["Hello"]["properties"]["battery"] = {"type": "integer"}

    assert meaning(reworded) == meaning(wire_schema())
    assert meaning(json.dumps(schema)) != meaning(wire_schema())


def test_every_capability_is_dated_in_the_history() -> None:
    """The module's docstring has a line for each number up to the present one, newest last."""
    lines = re.findall(r"^ +(\d+)  \d{4}-\d{2}-\d{2}  \S", capability.__doc__ or "", re.MULTILINE)

    assert [int(number) for number in lines] == list(range(1, CAPABILITY + 1))


@pytest.mark.parametrize(
    ("part", "message"),
    [(part, message) for part, messages in MESSAGES.items() for message in messages],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_messages_are_as_the_schema_says(part: str, message: object) -> None:
    """What is really encoded passes a validator that knows nothing of this code, and what is damaged does not."""
    sent = json.loads(codec.encode(message))
    validator = validator_of(part)

    assert [error.message for error in validator.iter_errors(sent)] == []
    assert not validator.is_valid([sent])


def meaning(schema: str) -> str:
    """Return the digest of a schema without what is written for people."""
    return hashlib.sha256(json.dumps(without_words(json.loads(schema)), sort_keys=True).encode()).hexdigest()


def without_words(part: Any) -> Any:
    """Leave out descriptions and titles, but not fields that are called so."""
    if isinstance(part, dict):
        words = {name for name in ("description", "title") if isinstance(part.get(name), str)}
        return {name: without_words(value) for name, value in part.items() if name not in words}
    return [without_words(each) for each in part] if isinstance(part, list) else part


def validator_of(part: str) -> jsonschema.Draft202012Validator:
    """Return a validator of one part of the wire."""
    schema = json.loads(wire_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator({"$defs": schema["$defs"], **schema["properties"][part]})
