"""What the kernel copies of what is dropped: headers and no more, names where they are wanted, some of each device."""

import contextlib
import dataclasses
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.containment.listening import HEADER, NAME
from bartizan.containment.model import Ruleset, Segment
from bartizan.ids import Address
from bartizan_agent.hearing.headers import header, question, words
from bartizan_agent.hearing.listener import CannotHear, drain, open_listener
from bartizan_agent.hearing.messages import Copied
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.nftables.tool import open_nft
from bartizan_agent.settings import EvidenceSettings
from bartizan_lab.netns import Namespace
from tests.containment.estate import camera
from tests.containment.reference_model import Packet
from tests.containment.test_enforcer_in_the_kernel import Reluctant
from tests.containment.wire import Wire, frame, wire

pytestmark = pytest.mark.netns

ONE, TWO = (
    msgspec.structs.replace(camera(number), interface="cam0", addresses=(Address(f"10.9.0.{10 + number}"),))
    for number in (1, 2)
)
SITE = Ruleset(segments=(Segment("cam0", Level.ISOLATE),), estate_networks=(), devices=(ONE, TWO))
BEACON = Packet("cam0", "core0", ONE.macs[0], ONE.addresses[0], "198.51.100.7", "tcp", 40000, 443)
QUESTION = dataclasses.replace(BEACON, protocol="udp", to_port=53)


@pytest.fixture
def cables() -> Iterator[Wire]:
    with wire() as wired:
        yield wired


@contextlib.contextmanager
def listening(cables: Wire, tmp_path: Path, hearing: EvidenceSettings) -> Iterator[socket.socket]:
    with cables.gateway.entered():
        firewall, listener = Nftables(tmp_path, hearing=hearing), open_listener()
    with contextlib.closing(firewall), listener:
        firewall.apply(SITE)
        assert firewall.read().intact
        yield listener


def heard(listener: socket.socket) -> list[Copied]:
    """Return all that was copied: the kernel hands it over within a second."""
    found: list[Copied] = []
    while select.select([listener], [], [], 1.5)[0]:
        found += drain(listener)
    return found


def test_headers_are_copied_and_nothing_that_they_carry(cables: Wire, tmp_path: Path) -> None:
    later = dataclasses.replace(BEACON, protocol="udp", later_fragment=True, destination="198.51.100.7")
    sixth = dataclasses.replace(BEACON, source="fd00:a::13", destination="2001:db8::7")
    ping = dataclasses.replace(BEACON, protocol="icmp")
    with listening(cables, tmp_path, EvidenceSettings(headers=True, dns_names=False)) as listener:
        assert not any(cables.forwarded([BEACON, QUESTION, sixth, ping, later]))
        copies = heard(listener)

    assert [len(copied.packet) for copied in copies] == [40, 28, 60, 28, 20]
    assert {copied.mark for copied in copies} == {HEADER}
    assert {copied.mac for copied in copies} == {ONE.macs[0]}
    assert [copied.number for copied in copies] == [0, 1, 2, 3, 4]
    found = header(copies[0].packet)
    assert found is not None
    assert words(found) == "tcp 10.9.0.11:40000 > 198.51.100.7:443 ACK, 48 octets, 63 hops left"


def test_a_noisy_device_hides_no_other(cables: Wire, tmp_path: Path) -> None:
    noise = [dataclasses.replace(BEACON, to_port=port) for port in range(1, 400)]
    quiet = dataclasses.replace(BEACON, from_mac=TWO.macs[0], source=TWO.addresses[0], to_port=8800)
    with listening(cables, tmp_path, EvidenceSettings(headers=True, dns_names=False)) as listener:
        cables.forwarded(noise)
        noisy = Counter(copied.mac for copied in heard(listener))
        time.sleep(2.1)  # the limit of all together is refilled
        cables.forwarded([*noise[:20], quiet])
        both = Counter(copied.mac for copied in heard(listener))

    assert 0 < noisy[ONE.macs[0]] <= 200
    assert both[TWO.macs[0]] == 1


def test_names_are_heard_of_what_is_dropped_and_of_what_the_gateway_is_asked(cables: Wire, tmp_path: Path) -> None:
    asked = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + b"\3www\x0bhik-connect\3com\0\0\1\0\1"
    with listening(cables, tmp_path, EvidenceSettings(headers=False, dns_names=True)) as listener:
        cables.gateway.ip("address add 10.9.0.1/32 dev cam0")
        with cables.gateway.entered():
            here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            here.bind(("0.0.0.0", 53))
        with here:
            cables.send("cam0", carrying(dataclasses.replace(QUESTION, destination="10.9.0.1"), asked))
            cables.send("cam0", carrying(QUESTION, asked))
            cables.forwarded([BEACON])
            copies = heard(listener)

    assert [(copied.mark, question(copied.packet)) for copied in copies] == [(NAME, "www.hik-connect.com")] * 2


def test_one_group_has_one_listener(tmp_path: Path) -> None:
    with (
        Namespace("gateway") as gateway,
        gateway.entered(),
        open_listener(),
        pytest.raises(CannotHear, match="another"),
    ):
        open_listener()


def test_a_kernel_that_cannot_copy_enforces_all_the_same(tmp_path: Path) -> None:
    with Namespace("gateway") as gateway, gateway.entered():
        kernel = Reluctant()
        kernel.refuse = "log prefix"
        firewall = Nftables(tmp_path, kernel, hearing=EvidenceSettings())
        with contextlib.closing(firewall):
            firewall.apply(SITE)

            assert firewall.read().intact
            assert firewall.deaf_because
            assert firewall.deaf_because.startswith("nftables refused")
            assert firewall.proof().broken_because == ""


def test_what_the_next_boot_loads_copies_nothing(tmp_path: Path) -> None:
    """So that a kernel without nfnetlink_log boots as closed as any."""
    with Namespace("gateway") as gateway, gateway.entered():
        with contextlib.closing(Nftables(tmp_path, open_nft(), hearing=EvidenceSettings())) as firewall:
            firewall.apply(SITE)
        assert "log prefix" in gateway.run("nft", "list", "ruleset")

    assert "log prefix" not in (tmp_path / "ruleset.nft").read_text(encoding="utf-8")


def carrying(packet: Packet, payload: bytes) -> bytes:
    """Return the frame of an IPv4 packet that carries this over UDP."""
    udp = struct.pack("!HHHH", packet.from_port, packet.to_port, 8 + len(payload), 0) + payload
    ends = ip_address(packet.source).packed + ip_address(packet.destination).packed
    fields = (0x45, 0, 20 + len(udp), 1, 0, 64, 17)
    numbers: tuple[int, ...] = struct.unpack("!10H", struct.pack("!BBHHHBBH", *fields, 0) + ends)
    total = sum(numbers)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return frame(packet, 1)[:14] + struct.pack("!BBHHHBBH", *fields, checksum) + ends + udp
