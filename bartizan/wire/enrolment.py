"""What a new gateway and the controller say to each other once, over HTTPS: `POST /api/1/enrol`.

The gateway knows the controller by the hash of its CA inside the token (`bartizan.trust.enrolment`), so it can check
whom it talks to before it sends the secret. Unknown fields are ignored on reading.
"""

import msgspec

from bartizan.ids import SiteId


class EnrolmentRequest(msgspec.Struct, frozen=True):
    """A one-time token, and the keys that the gateway made for itself."""

    token: str
    csr: str
    """Certificate signing request, PEM. Its subject is ignored: the certificate's name is the token's site."""
    sealing_key: str
    """X25519 public key, 32 octets in base64, to which camera credentials will be sealed."""


class Enrolment(msgspec.Struct, frozen=True):
    """All that a gateway needs from then on."""

    site: SiteId
    certificate: str
    """The gateway's client certificate, PEM. Its common name is the site."""
    ca: str
    """The controller's CA certificate, PEM: broker, gateway port and API are checked against it."""
    mqtt_host: str
    mqtt_port: int
    gateway_url: str
    """`https://host:port`: where images and the catalogue are fetched, with the client certificate."""
    root: bytes
    """The catalogue's first root metadata (base64 on the wire): what the gateway's trust begins with."""
