"""JSON schemas of everything that crosses the wire, for other implementations and for noticing a change."""

import json

import msgspec

from bartizan.firmware.model import Advisory, Image
from bartizan.identity.fingerprints import Fingerprint
from bartizan.policy.model import Maker, Policy, SiteFacts, Waiver
from bartizan.trust.content import DirectorKeys
from bartizan.trust.credentials import CredentialBook
from bartizan.trust.orders import OrderBook
from bartizan.trust.push import Push
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import Down
from bartizan.wire.enrolment import Enrolment, EnrolmentRequest
from bartizan.wire.up import Up

CONTENT = {
    "up": Up,
    "down": Down,
    "orders": OrderBook,
    "credentials": CredentialBook,
    "enrolment-request": EnrolmentRequest,
    "enrolment": Enrolment,
    "target-policy": Policy,
    "target-waivers": tuple[Waiver, ...],
    "target-makers": tuple[Maker, ...],
    "target-fingerprints": tuple[Fingerprint, ...],
    "target-advisories": tuple[Advisory, ...],
    "target-sites": tuple[SiteFacts, ...],
    "target-push": Push,
    "target-image": Image,
    "target-director": DirectorKeys,
}
"""Messages by direction, what sealed and signed messages hold, and the catalogue's targets."""


def wire_schema() -> str:
    """Return the JSON Schema (2020-12) of this capability's messages, as a text that is the same each time."""
    schemas, components = msgspec.json.schema_components(tuple(CONTENT.values()), ref_template="#/$defs/{name}")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:bartizan:wire:{CAPABILITY}",
        "title": f"Bartizan wire messages, capability {CAPABILITY}",
        "properties": dict(zip(CONTENT, schemas, strict=True)),
        "$defs": components,
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
