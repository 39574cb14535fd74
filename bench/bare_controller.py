"""The least that gateways take for a controller: it keeps nothing, checks nothing and decides nothing.

It answers what is said with what was made beforehand, and counts who replied to a push. Behind a bare mosquitto it is
the floor of whatever a real controller does with real gateways: the same gateways, the same messages on the wire.

Run as a program it is told by lines on its standard input and answers each with one:

    push    publish the next book to all; answer when the last gateway's reply is there
    seen    answer with the processor time used so far, in milliseconds
"""

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from bartizan.trust.orders import OrderBook
from bartizan.wire import codec, events, mqtt5, topics
from bartizan.wire.down import CatalogueBundle, Down, EventsAck, OrdersEnvelope, ReportAck
from bartizan.wire.mqtt5 import Message
from bartizan.wire.up import Events, Hello, Report
from bartizan_controller.authority import Authority
from bartizan_controller.catalogue.online_keys import load_online_keys
from bartizan_controller.catalogue.repository import CatalogueRepository
from bartizan_controller.director import Director
from bartizan_controller.directory import Folder
from bench.lean_clients import ANSWER_SECONDS, HOST, Client, first_client, write_broker

LIFETIME_SECONDS = 86400.0
REPLY = f'"{events.ORDERS_ACCEPTED}"'.encode()
_MILLISECONDS = 1e3


class Bare:
    """A bare mosquitto and a bare controller, in processes of their own."""

    def __init__(self, controller: Path, gateways: int, book: OrderBook) -> None:
        self._stack = contextlib.ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bartizan-bare-")))
        (self._folder / "book.json").write_bytes(codec.encode(book))
        self._port = write_broker(self._folder, Authority(controller / "keys"))
        self._broker = self._start_broker()
        arguments = (str(self._folder), str(controller), str(self._port), str(gateways))
        self._child = subprocess.Popen(
            [sys.executable, "-m", "bench.bare_controller", *arguments],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask("seen")

    @property
    def address(self) -> tuple[str, int]:
        """Where gateways connect to."""
        return HOST, self._port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        with self._stack:
            for child in (self._child, self._broker):
                child.terminate()
                child.communicate(timeout=ANSWER_SECONDS)

    def push(self) -> float:
        """Publish to every gateway; return the milliseconds until the last reply was there."""
        began = time.perf_counter()
        self._ask("push")
        return (time.perf_counter() - began) * _MILLISECONDS

    def restart(self) -> None:
        """Kill the broker, and start it again at once."""
        self._broker.kill()
        self._broker.wait(ANSWER_SECONDS)
        self._broker = self._start_broker()

    def processor(self) -> float:
        """Return the processor time that the bare controller has used up, in milliseconds."""
        return float(self._ask("seen"))

    def _start_broker(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(["mosquitto", "-c", "floor.conf"], cwd=self._folder, text=True)

    def _ask(self, question: str) -> str:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(question + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError("the bare controller ended; what it said is above")
        return answer


class _Controller:
    """The process."""

    def __init__(self, controller: Folder, connect: Callable[[], Client], gateways: int, book: OrderBook) -> None:
        keys = load_online_keys(controller.keys)
        self._sign = Director(keys.director).sign
        self._catalogue = codec.encode(CatalogueBundle(CatalogueRepository(controller.catalogue, keys).bundle({})))
        self._connect = connect
        self._client = connect()
        self._gateways = gateways
        self._book = book
        self._next = self._make_next()
        self._replied: set[str] | None = None
        self._unanswered: list[Message] = []

    def run(self) -> None:
        """Hear gateways and whoever tells it what to do, until the latter is gone."""
        poll = select.epoll()
        for file in (self._client.stream, sys.stdin):
            poll.register(file, select.EPOLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._client.stream.fileno():
                    try:
                        self._hear()
                    except OSError:
                        poll.unregister(descriptor)
                        self._client.stream.close()
                        self._client = self._connect()
                        poll.register(self._client.stream, select.EPOLLIN)
                elif not self._obey(sys.stdin.readline().strip()):
                    return

    def _obey(self, order: str) -> bool:
        if order == "push":
            self._replied = set()
            self._client.stream.sendall(mqtt5.publish(1, topics.ALL_ORDERS, self._next))
        elif order == "seen":
            _tell(f"{time.process_time() * _MILLISECONDS}")
        return bool(order)

    def _hear(self) -> None:
        arrived = [packet for packet in self._client.packets() if isinstance(packet, Message)]
        self._client.stream.sendall(b"".join(mqtt5.acknowledge(message.number) for message in arrived))
        self._unanswered += arrived
        if self._replied is not None:
            self._replied |= {message.topic for message in arrived if REPLY in message.payload}
            if len(self._replied) < self._gateways:
                return
            self._replied = None
            _tell("done")
            self._next = self._make_next()
        answers = [answer for message in self._unanswered for answer in self._answers(message)]
        self._client.stream.sendall(b"".join(answers))
        self._unanswered = []

    def _answers(self, message: Message) -> Iterator[bytes]:
        site, kind = topics.parse_up(message.topic)
        answers: tuple[Down, ...] = ()
        if kind == "hello":
            hello = codec.decode(message.payload, Hello)
            if not hello.catalogue:
                yield mqtt5.mention(topics.down(site), self._catalogue)
            answers = (EventsAck(hello.boot, 0),)
        elif kind == "report":
            answers = (ReportAck(codec.decode(message.payload, Report).digest),)
        elif kind == "events":
            said = codec.decode(message.payload, Events)
            answers = (EventsAck(said.boot, said.events[-1].sequence),)
        for answer in answers:
            yield mqtt5.mention(topics.down(site), codec.encode(answer))

    def _make_next(self) -> bytes:
        now = time.time()
        self._book = msgspec.structs.replace(
            self._book, generation=self._book.generation + 1, issued_at=now, expires_at=now + LIFETIME_SECONDS
        )
        return codec.encode(OrdersEnvelope(self._sign(self._book)))


def _tell(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def _main(folder: Path, controller: Path, port: str, gateways: str) -> None:
    book = codec.decode((folder / "book.json").read_bytes(), OrderBook)
    connect = partial(first_client, folder, int(port), topics.up_filter())
    _Controller(Folder(controller), connect, int(gateways), book).run()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
