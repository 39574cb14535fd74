"""What mosquitto is told: its configuration and access list, as text. Pure."""

from collections.abc import Iterable

import msgspec

from bartizan.ids import SiteId
from bartizan.wire import topics
from bartizan_controller.authority import CONTROLLER_NAME

CONFIGURATION_FILE = "mosquitto.conf"
ACCESS_FILE = "access.conf"
CA_FILE = "ca.pem"
CERTIFICATE_FILE = "broker.pem"
KEY_FILE = "broker.key"
REVOCATION_FILE = "revoked.pem"


class BrokerLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the broker may use up."""

    packet_octets: int = 16 * 1024 * 1024
    """Largest message; the wire's own limit is 12 MiB. Gateways fetch a larger catalogue by HTTPS."""
    inflight_messages: int = 4_000
    """Unacknowledged messages to or from one client."""
    queued_messages: int = 200_000
    """Waiting for one client. The stock limit of 1,000 loses answers behind a busy controller."""
    queued_octets: int = 512 * 1024 * 1024
    """Waiting for one client, in octets."""
    autosave_seconds: int = 30
    """Between two writes of sessions and queues to disk; the stock 1,800 forgets half an hour."""


def configuration(host: str, port: int, limits: BrokerLimits) -> str:
    """Return `mosquitto.conf`. File names are relative: the broker is started inside its folder."""
    return f"""\
# Written by bartizan-controller at every start; changes are lost.
# It is started as its own user. Only as root of a user namespace that knows no such user does it stay what it is.
user root
per_listener_settings false
listener {port} {host}
socket_domain {"ipv6" if ":" in host else "ipv4"}
allow_anonymous false
cafile {CA_FILE}
certfile {CERTIFICATE_FILE}
keyfile {KEY_FILE}
crlfile {REVOCATION_FILE}
require_certificate true
use_identity_as_username true
acl_file {ACCESS_FILE}
set_tcp_nodelay true
max_packet_size {limits.packet_octets}
max_inflight_messages {limits.inflight_messages}
max_queued_messages {limits.queued_messages}
max_queued_bytes {limits.queued_octets}
queue_qos0_messages false
retain_available false
persistence true
persistence_location ./
autosave_interval {limits.autosave_seconds}
autosave_on_changes false
persistent_client_expiration 30d
sys_interval 0
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
log_timestamp false
connection_messages false
"""


def access_list(shut_out: Iterable[SiteId]) -> str:
    """Return who may read and write what. `%u` is the common name of the client's certificate.

    Args:
        shut_out: Sites whose gateways may do nothing, even on connections that they still have.
    """
    denied = "".join(f"\nuser {site}\ntopic deny #\n" for site in shut_out)
    return f"""\
# The controller hears everybody and speaks to everybody.
user {CONTROLLER_NAME}
topic read {topics.ROOT}/up/#
topic write {topics.ROOT}/all/#
topic write {topics.ROOT}/site/#

# A gateway hears the estate's broadcasts and its own topic, and writes as itself.
pattern read {topics.ALL_CATALOGUE}
pattern read {topics.ALL_ORDERS}
pattern read {topics.ROOT}/site/%u/down
pattern write {topics.ROOT}/up/+/%u/+
{denied}"""
