"""What the controller says to gateways.

Nothing here is trusted for having arrived: orders are DSSE envelopes, catalogues are TUF repositories, credentials
are sealed to the gateway's key.
"""

import msgspec

from bartizan.ids import BootId, DeviceId


class EventsAck(msgspec.Struct, frozen=True, tag="events-ack", forbid_unknown_fields=True):
    """Events of this boot up to and including `through` are committed in the controller's database."""

    boot: BootId
    through: int


class ReportAck(msgspec.Struct, frozen=True, tag="report-ack", forbid_unknown_fields=True):
    """The report with this digest is committed."""

    digest: str


class ReportWanted(msgspec.Struct, frozen=True, tag="report-wanted", forbid_unknown_fields=True):
    """The controller does not hold the report that the gateway's hello named."""


class CatalogueBundle(msgspec.Struct, frozen=True, tag="catalogue", forbid_unknown_fields=True):
    """Files of the TUF repository by their repository path: metadata and small targets, never images.

    Values are the files' bytes (base64 on the wire). A bundle may be partial: what the gateway
    already holds need not come again.
    """

    files: dict[str, bytes]


class OrdersEnvelope(msgspec.Struct, frozen=True, tag="orders", forbid_unknown_fields=True):
    """A DSSE envelope (JSON bytes) that holds an order book."""

    envelope: bytes


class SealedCredentials(msgspec.Struct, frozen=True, tag="credentials", forbid_unknown_fields=True):
    """Camera credentials, HPKE-sealed to the gateway's X25519 key. The plain text is a `CredentialBook`."""

    generation: int
    sealed: bytes


class Certificate(msgspec.Struct, frozen=True, tag="certificate", forbid_unknown_fields=True):
    """A renewed client certificate, PEM, for the gateway's present key."""

    pem: str


class StatementWanted(msgspec.Struct, frozen=True, tag="statement-wanted", forbid_unknown_fields=True):
    """Somebody asks for a signed statement of one device and one time. Not sent before capability 4."""

    request: str
    """Named again in the answer."""
    device: DeviceId
    since: float
    until: float
    """Unix seconds; 0: until the gateway looked last."""


Down = (
    EventsAck
    | ReportAck
    | ReportWanted
    | CatalogueBundle
    | OrdersEnvelope
    | SealedCredentials
    | Certificate
    | StatementWanted
)
