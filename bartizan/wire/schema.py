"""JSON schemas of everything that crosses the wire, for other implementations and for noticing a change."""

import json

import msgspec

from bartizan.trust.credentials import CredentialBook
from bartizan.trust.orders import OrderBook
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import Down
from bartizan.wire.up import Up


def wire_schema() -> str:
    """Return the JSON Schema (2020-12) of this capability's messages, as a text that is the same each time."""
    (up, down, book, credentials), components = msgspec.json.schema_components(
        (Up, Down, OrderBook, CredentialBook), ref_template="#/$defs/{name}"
    )
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:bartizan:wire:{CAPABILITY}",
        "title": f"Bartizan wire messages, capability {CAPABILITY}",
        "properties": {"up": up, "down": down, "orders": book, "credentials": credentials},
        "$defs": components,
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
