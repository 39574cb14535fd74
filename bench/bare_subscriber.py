"""The floor of a publish: a paho client over the same TLS that runs what arrives as one libnftables transaction.

Run as a program in the gateway: `python -m bench.bare_subscriber FLEET-FOLDER PORT`. It decides and verifies nothing.
"""

import socket
import sys
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bartizan_lab.fleet import roster
from bartizan_lab.fleet.session import tls_context
from bench.filter_site import BareNftables
from bench.lean_clients import HOST

TOPIC = "floor/down"


def main(folder: Path, port: int) -> None:
    """Serve until killed; say `connected` when there is a subscription."""
    nft = BareNftables()
    site = roster.read(folder).members[0].site
    client = paho.Client(CallbackAPIVersion.VERSION2, "floor", protocol=paho.MQTTv5)
    client.tls_set_context(tls_context(folder, site, (folder / roster.CA_FILE).read_text(encoding="ascii")))
    client.on_socket_open = _no_delay
    client.on_message = lambda _client, _data, message: nft(message.payload.decode())
    client.on_connect = _subscribe
    client.on_subscribe = lambda *_: print("connected", flush=True)
    client.connect(HOST, port)
    client.loop_forever()


def _subscribe(client: paho.Client, *_: Any) -> None:
    client.subscribe(TOPIC, qos=1)


def _no_delay(_client: paho.Client, _data: Any, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
