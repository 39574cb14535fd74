"""Multicast DNS service discovery (RFC 6762, RFC 6763), in the part a camera needs: answering, and announcing itself.

zeroconf's responder makes its own sockets, in its own namespace and on its own port; here its packet classes serve
on the sockets of a `Network`.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from zeroconf import (  # type: ignore[attr-defined]  # zeroconf has them for everybody, without saying so in its types
    DNSAddress,
    DNSIncoming,
    DNSOutgoing,
    DNSPointer,
    DNSQuestion,
    DNSRecord,
    DNSService,
    DNSText,
)

from bartizan_lab.cameras.datagrams import Datagram

PORT = 5353
GROUP = "224.0.0.251"
TIME_TO_LIVE = 255

_RESPONSE = 0x8400
"""QR and AA."""
_HEADER_OCTETS = 12
_RESPONSE_BIT = 0x80
"""Of the third octet: QR."""
_IN = 1
_IN_UNIQUE = 0x8001
_A, _PTR, _TXT, _AAAA, _SRV, _ANY = 1, 12, 16, 28, 33, 255
_SERVICES = "_services._dns-sd._udp.local."
_HOST_SECONDS = 120
_OTHER_SECONDS = 4500


@dataclass(frozen=True)
class Advertised:
    """One service."""

    type: str
    """Such as `_axis-video._tcp.local.`."""
    port: int
    text: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class MdnsDevice:
    """A device and its services."""

    instance: str
    """The name people see: `AXIS M5014 - ACCC8E3C0419`."""
    host: str
    """Such as `axis-accc8e3c0419.local.`."""
    address: str
    address6: str | None
    services: tuple[Advertised, ...]

    def respond(self, datagram: Datagram) -> Iterator[Datagram]:
        """Answer the questions of a query that concern this device."""
        if len(datagram.octets) < _HEADER_OCTETS or datagram.octets[2] & _RESPONSE_BIT:
            return
        query = DNSIncoming(datagram.octets)
        if not query.valid:
            return
        answers = [record for question in query.questions for record in self._answers(question)]
        if not answers:
            return
        if datagram.peer[1] != PORT:
            # A plain resolver asks from another port: the answer goes to it alone, its id and question repeated (6.7).
            yield Datagram(_packet(answers, self._related(answers), query), datagram.peer)
        else:
            yield Datagram(_packet(answers, self._related(answers)), (GROUP, PORT))

    def announce(self) -> Iterator[Datagram]:
        """Return the announcement of a device that has come up."""
        yield Datagram(_packet(self._records(), []), (GROUP, PORT))

    def _answers(self, question: DNSQuestion) -> list[DNSRecord]:
        if question.name.lower() == _SERVICES:
            return [DNSPointer(_SERVICES, _PTR, _IN, _OTHER_SECONDS, service.type) for service in self.services]
        return [
            record
            for record in self._records()
            if record.name.lower() == question.name.lower() and question.type in (record.type, _ANY)
        ]

    def _related(self, answers: list[DNSRecord]) -> list[DNSRecord]:
        """Return what will be asked for next: the service behind a pointer, the address behind a service (12)."""
        aliases = {answer.alias for answer in answers if isinstance(answer, DNSPointer)}
        return [record for record in self._records() if record.name in aliases or record.type in {_A, _AAAA}]

    def _records(self) -> list[DNSRecord]:
        records: list[DNSRecord] = []
        for service in self.services:
            name = f"{self.instance}.{service.type}"
            records.append(DNSPointer(service.type, _PTR, _IN, _OTHER_SECONDS, name))
            records.append(DNSService(name, _SRV, _IN_UNIQUE, _HOST_SECONDS, 0, 0, service.port, self.host))
            records.append(DNSText(name, _TXT, _IN_UNIQUE, _OTHER_SECONDS, _text(service)))
        records.append(DNSAddress(self.host, _A, _IN_UNIQUE, _HOST_SECONDS, socket.inet_aton(self.address)))
        if self.address6:
            octets = socket.inet_pton(socket.AF_INET6, self.address6)
            records.append(DNSAddress(self.host, _AAAA, _IN_UNIQUE, _HOST_SECONDS, octets))
        return records


def _packet(answers: list[DNSRecord], additional: list[DNSRecord], query: DNSIncoming | None = None) -> bytes:
    packet = DNSOutgoing(_RESPONSE, multicast=query is None, id_=query.id if query else 0)
    for question in query.questions if query else ():
        packet.add_question(question)
    for record in answers:
        packet.add_answer_at_time(record, 0)
    for record in additional:
        if record not in answers:
            packet.add_additional_answer(record)
    return packet.packets()[0]


def _text(service: Advertised) -> bytes:
    entries = [f"{key}={value}".encode() for key, value in service.text] or [b""]
    return b"".join(bytes([len(entry)]) + entry for entry in entries)
