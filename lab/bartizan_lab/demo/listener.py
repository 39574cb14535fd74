"""Somebody who listens to what is broadcast to every gateway, and writes a line for each message.

Run inside the core network: `python -m bartizan_lab.demo.listener FOLDER HOST PORT`. Its first line: it listens.
"""

import asyncio
import ssl
import sys
from pathlib import Path

import aiomqtt

from bartizan.wire.topics import ALL_CATALOGUE

LISTENING = "listening"


async def listen(folder: Path, host: str, port: int) -> None:
    """Write what comes, until ended."""
    tls = ssl.create_default_context(cafile=str(folder / "keys" / "ca.pem"))
    tls.load_cert_chain(folder / "keys" / "tls" / "client.pem", folder / "keys" / "tls" / "client-key.pem")
    client = aiomqtt.Client(host, port, tls_context=tls, protocol=aiomqtt.ProtocolVersion.V5, identifier="listener")
    async with client:
        await client.subscribe(ALL_CATALOGUE, qos=1)
        _write(LISTENING)
        async for message in client.messages:
            _write(f"{message.topic.value}, {len(bytes(message.payload))}")


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Listen."""
    folder, host, port = sys.argv[1:]
    asyncio.run(listen(Path(folder), host, int(port)))


if __name__ == "__main__":
    main()
