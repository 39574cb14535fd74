"""The floor of a push: bare mosquitto with mutual TLS, clients that only answer, and one collector.

Run as a program this module is the clients: one process, one epoll, no event loop, nothing decided and nothing checked.
"""

import contextlib
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bartizan.wire import mqtt5
from bartizan.wire.mqtt5 import Message, Packet
from bartizan_controller.authority import Authority
from bartizan_lab.fleet import roster
from bartizan_lab.fleet.process import allow_sockets
from bartizan_lab.fleet.session import tls_context

HOST = "127.0.0.1"
DOWN, UP = "floor/down", "floor/up"
PACKET_OCTETS = 1 << 20
READ_OCTETS = 1 << 16
KEEPALIVE_SECONDS = 3600
ANSWER_SECONDS = 60.0
_CONFIGURATION = """\
listener {port} 127.0.0.1
cafile ca.pem
certfile broker.pem
keyfile broker.key
require_certificate true
allow_anonymous true
user root
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 0
log_dest none
"""


class Client:
    """A connection that blocks."""

    def __init__(self, name: str, tls: ssl.SSLContext, port: int, topic: str) -> None:
        plain = socket.create_connection((HOST, port), timeout=ANSWER_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = tls.wrap_socket(plain, server_hostname=HOST)
        self._reader = mqtt5.Reader(PACKET_OCTETS)
        session = mqtt5.Session(name, "", b"", KEEPALIVE_SECONDS, 0, 0xFFFF, PACKET_OCTETS)
        for question in (mqtt5.connect(session), mqtt5.subscribe(1, [topic])):
            self.stream.sendall(question)
            (answer,) = self.packets()
            if isinstance(answer, Message) or answer.reason >= mqtt5.FAILURE:
                raise ConnectionError(f"the floor's broker refuses {name}")

    def packets(self) -> list[Packet | Message]:
        """Return the packets of one reading.

        Raises:
            ConnectionResetError: The broker is gone.
        """
        data = self.stream.recv(READ_OCTETS)
        if not data:
            raise ConnectionResetError("the broker ended the connection")
        return list(self._reader.feed(data))


class Floor:
    """Clients that wait, and the collector that also publishes."""

    def __init__(self, collector: Client, clients: int) -> None:
        self._collector = collector
        self._clients = clients

    def push(self, payload: bytes) -> float:
        """Publish to every client; return the milliseconds until the last reply was collected.

        Raises:
            TimeoutError: One did not come.
            RuntimeError: One came twice.
        """
        stream, replies = self._collector.stream, list[bytes]()
        began = time.perf_counter()
        stream.sendall(mqtt5.publish(1, DOWN, payload))
        while len(replies) < self._clients:
            arrived = [packet for packet in self._collector.packets() if isinstance(packet, Message)]
            stream.sendall(b"".join(mqtt5.acknowledge(message.number) for message in arrived))
            replies += [message.payload for message in arrived]
        took = (time.perf_counter() - began) * 1000
        if len(set(replies)) != self._clients:
            raise RuntimeError("the floor's broker lost a reply and doubled another")
        return took


@contextlib.contextmanager
def floor(controller: Path, fleet: Path, clients: int, reply_octets: int) -> Iterator[Floor]:
    """Run a broker and clients with the certificates of a roster, for the block."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bartizan-floor-")))
        port = write_broker(folder, Authority(controller / "keys"))
        stack.enter_context(_process(["mosquitto", "-c", "floor.conf"], folder))
        collector = first_client(folder, port, UP)
        stack.enter_context(contextlib.closing(collector.stream))
        arguments = (str(fleet), str(port), str(clients), str(reply_octets))
        checkout = Path(__file__).parents[1]
        child = stack.enter_context(_process([sys.executable, "-m", "bench.lean_clients", *arguments], checkout))
        assert child.stdout is not None
        if not child.stdout.readline():
            raise RuntimeError("the floor's clients did not connect; what they said is above")
        yield Floor(collector, clients)


def write_broker(folder: Path, authority: Authority) -> int:
    """Write what the broker reads (`floor.conf`) and the collector's key; return a free port."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    server, client = authority.server([HOST], time.time()), authority.controller_client(time.time())
    (folder / "floor.conf").write_text(_CONFIGURATION.format(port=port), encoding="ascii")
    (folder / "ca.pem").write_bytes(authority.ca_pem)
    (folder / "broker.pem").write_bytes(server.certificate)
    (folder / "broker.key").write_bytes(server.key)
    (folder / "collector.pem").write_bytes(client.certificate + client.key)
    return port


def first_client(folder: Path, port: int, topic: str) -> Client:
    """Return the collector, connected as soon as the broker is there, to what `write_broker` wrote."""
    tls = tls_context(folder, "collector", (folder / "ca.pem").read_text(encoding="ascii"))
    gives_up_at = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return Client("collector", tls, port, topic)
        except ConnectionError:
            if time.monotonic() > gives_up_at:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def _process(arguments: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(arguments, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield child
    finally:
        child.terminate()
        child.communicate(timeout=ANSWER_SECONDS)


def _answer_for_ever(folder: Path, port: int, count: int, reply_octets: int) -> None:
    ca = (folder / roster.CA_FILE).read_text(encoding="ascii")
    poll, clients = select.epoll(), dict[int, tuple[Client, bytes]]()
    for number, member in enumerate(roster.read(folder).members[:count]):
        client = Client(f"lean-{number}", tls_context(folder, member.site, ca), port, DOWN)
        clients[client.stream.fileno()] = (client, mqtt5.publish(1, UP, str(number).encode().ljust(reply_octets)))
        poll.register(client.stream, select.EPOLLIN)
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    while True:
        for descriptor, _ in poll.poll():
            client, reply = clients[descriptor]
            for packet in client.packets():
                if isinstance(packet, Message):
                    client.stream.sendall(mqtt5.acknowledge(packet.number) + reply)


if __name__ == "__main__":
    allow_sockets(int(sys.argv[3]))
    _answer_for_ever(Path(sys.argv[1]), *(int(argument) for argument in sys.argv[2:]))
