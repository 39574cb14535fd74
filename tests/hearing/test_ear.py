"""Where what is heard goes: to the attempt it belongs to, whichever is known first, and to the names of its sender."""

import struct
from ipaddress import ip_address

from bartizan.containment.listening import HEADER, NAME
from bartizan.containment.model import DropCounter, NameAsked
from bartizan.ids import Address, Mac
from bartizan.wire.up import DROPS_REPORTED, NAMES_REPORTED
from bartizan_agent import attempts, names
from bartizan_agent.attempts import Attempts
from bartizan_agent.hearing.ear import Ear
from bartizan_agent.hearing.messages import Copied
from bartizan_agent.names import Names
from bartizan_agent.store import open_volatile

MAC, CLOUD = Mac("02:00:00:00:00:01"), Address("198.51.100.7")
COUNTED = DropCounter(MAC, CLOUD, "udp", 53, 3, 180)


def packet(name: bytes = b"\3www\7example\3com\0") -> bytes:
    asked = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)
    udp = struct.pack("!HHHH", 40000, 53, 8 + len(asked), 0) + asked
    fields = (0x45, 0, 20 + len(udp), 1, 0, 63, 17, 0)
    return struct.pack("!BBHHHBBH", *fields) + ip_address("10.9.0.11").packed + ip_address(CLOUD).packed + udp


def copied(mark: str = HEADER, octets: bytes = packet()[:28], *, at: float | None = None, number: int = 0) -> Copied:
    return Copied(mark, MAC, octets, at, number)


def test_a_header_belongs_to_its_attempt_whichever_comes_first() -> None:
    store = open_volatile([attempts.SCHEMA, names.SCHEMA])
    kept = Attempts(store, "kernel 1")
    ear = Ear(kept, Names(store))
    words = "udp 10.9.0.11:40000 > 198.51.100.7:53, 61 octets, 63 hops left"

    ear.take([copied()], 100.0)
    kept.take([COUNTED], 105.0, 5.0)
    assert [one.header for one in kept.latest()] == [words]

    other = DropCounter(MAC, CLOUD, "tcp", 443, 1, 60)
    kept.take([COUNTED, other], 110.0, 10.0)
    ear.take([copied(number=1)], 120.0)
    kept.write()
    assert sorted(one.header for one in attempts.of_macs(store, [MAC])) == ["", words]


def test_headers_of_what_is_never_counted_are_bounded() -> None:
    store = open_volatile([attempts.SCHEMA, names.SCHEMA])
    kept = Attempts(store, "kernel 1")
    for port in range(DROPS_REPORTED + 50):
        kept.hear(attempts.Key(MAC, CLOUD, "tcp", port), "words")
    kept.take([DropCounter(MAC, CLOUD, "tcp", port, 1, 60) for port in (10, DROPS_REPORTED + 10)], 1.0, 1.0)

    assert {one.port: one.header for one in kept.latest()} == {10: "", DROPS_REPORTED + 10: "words"}


def test_names_are_kept_with_first_and_last_time() -> None:
    store = open_volatile([attempts.SCHEMA, names.SCHEMA])
    for number, at in enumerate((100.0, None, 9e9)):
        ear = Ear(Attempts(store, "kernel 1"), Names(store))
        ear.take([copied(NAME, packet(), at=at, number=number)], 200.0 + number)

    assert Names(store).latest() == (NameAsked(MAC, "www.example.com", 100.0, 202.0, 3),)
    assert names.of_macs(store, [MAC]) == Names(store).latest()


def test_names_are_bounded() -> None:
    store = open_volatile([attempts.SCHEMA, names.SCHEMA])
    kept = Names(store)
    for at in range(3 * NAMES_REPORTED):
        kept.hear(MAC, f"n{at}", float(at))
    kept.write()

    assert len(kept.latest()) == NAMES_REPORTED
    assert min(one.last_at for one in kept.latest()) == 2 * NAMES_REPORTED
    assert len(names.of_macs(store, [MAC])) == names.OF_A_MAC


def test_what_cannot_be_read_is_left_out_and_what_was_lost_is_counted() -> None:
    store = open_volatile([attempts.SCHEMA, names.SCHEMA])
    ear = Ear(Attempts(store, "kernel 1"), Names(store))
    nobody = Copied(NAME, None, packet(), None, 4)

    ear.take([copied(NAME, b"", number=1), copied("other", packet(), number=2), nobody], 1.0)
    ear.take([copied(HEADER, b"\x45", number=10), copied(NAME, packet(b"\xc0\x0c"), number=11)], 2.0)

    assert Names(store).latest() == ()
    assert ear.lost == 1 + 5
