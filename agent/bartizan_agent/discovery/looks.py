"""One look at one live address: a few ports, one connection at a time, banners only, no login ever."""

import asyncio
import functools
from collections.abc import Callable

import msgspec

from bartizan.identity.fingerprints import OF_A_MAKER, Fingerprints
from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Mac
from bartizan_agent.discovery import hikvision_port, http_banner, open_doors, rtsp_banner, ssdp, tls_subject
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, say
from bartizan_agent.discovery.exchange import Caller, Peer, Question, Reached, Reply
from bartizan_agent.discovery.http_banner import HttpAnswer
from bartizan_agent.discovery.open_doors import Door
from bartizan_agent.discovery.sightings import Sighting
from bartizan_agent.knowledge import packaged_fingerprints

CONVINCING = 60
"""Weight from which a maker or model counts as known, so that a device is asked no more questions about it."""

_FRONT_PORT, _SECOND_WEB_PORT, _TLS_PORT, _RTSP_PORT, _DVRIP_PORT = 80, 8080, 443, 554, 37777
_SERVICE_PORTS = {23: Fact.TELNET, 22: Fact.SSH, 21: None}
"""Doors for service engineers, and the switches that they show."""
_PORT_WEIGHT = 70
_MUCH_SILENCE = 2  # ports without a word: a firewall, and each costs a second
_CLAIMED_PORTS = 4  # web ports of its own choice that a device is believed to have


class Hints(msgspec.Struct):
    """What is known of a device so far. Datagrams may tell more while it is being looked at."""

    maker: str = ""
    model: str = ""
    is_sorted: bool = False
    """Whether anything said what sort of thing it is."""
    web_ports: tuple[int, ...] = ()
    speaks_onvif: bool = False

    def learn(self, evidence: tuple[Evidence, ...], web_ports: tuple[int, ...] = ()) -> None:
        """Take in what was said."""
        for said in evidence:
            if said.weight >= CONVINCING and said.fact is Fact.MAKER:
                self.maker = self.maker or said.value
            elif said.weight >= CONVINCING and said.fact is Fact.MODEL:
                self.model = self.model or said.value
            elif said.source is Source.WS_DISCOVERY:
                self.speaks_onvif = True
            self.is_sorted = self.is_sorted or (said.weight >= CONVINCING and said.fact is Fact.KIND)
        for match in _known_banners().matches(evidence):
            if match.row.maker and match.row.weight >= CONVINCING and match.row.where not in OF_A_MAKER:
                self.maker = self.maker or match.row.maker
        self.web_ports = tuple(dict.fromkeys((*self.web_ports, *web_ports)))[:_CLAIMED_PORTS]


class Look:
    """A look at one device. Each thing found is told at once, so that it counts even if time runs out.

    Args:
        peer: Where the device is.
        hints: What is known of it; learns from the look, too.
        caller: Asks, and says how long and how fast.
        tell: Called with every sighting.
    """

    def __init__(self, peer: Peer, hints: Hints, caller: Caller, tell: Callable[[Sighting], None]) -> None:
        self._peer = peer
        self._hints = hints
        self._caller = caller
        self._tell = tell
        self._is_there = False
        self._silent: list[int] = []
        self._pages: dict[int, HttpAnswer] = {}

    async def run(self) -> None:
        """Look, for at most `Limits.device_seconds`."""
        seconds = self._caller.limits.device_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._all_ports()
        except TimeoutError:
            self._complain(f"looking at it took longer than {seconds:g} s")
        if self._silent:
            self._complain(f"silent: TCP {', '.join(str(port) for port in self._silent)}")

    async def describe(self, port: int, path: str) -> None:
        """Fetch the UPnP description that the device announced on itself, unless all it could say is known."""
        if self._hints.maker and self._hints.model:
            return
        answer = http_banner.parse((await self._get(port, path)).data)
        if isinstance(answer, HttpAnswer) and answer.status == 200:
            self._heard(ssdp.parse_description(answer.body), port)

    async def _all_ports(self) -> None:
        if (await self._front_page(_FRONT_PORT)) is Reached.GONE:
            return
        rtsp = await self._ask(
            Question(_RTSP_PORT, rtsp_banner.request(self._peer.address, _RTSP_PORT), rtsp_banner.is_complete)
        )
        if rtsp.reached is Reached.OPEN:
            self._heard(rtsp_banner.parse(rtsp.data), _RTSP_PORT)
        await self._control_ports()
        await self._front_page(_TLS_PORT)
        for port in dict.fromkeys((_SECOND_WEB_PORT, *self._hints.web_ports)):
            if port not in {_FRONT_PORT, _TLS_PORT}:
                await self._front_page(port)
        await self._open_doors()
        await self._service_ports()

    async def _service_ports(self) -> None:
        for port in _SERVICE_PORTS:
            if len(self._silent) < _MUCH_SILENCE:
                await self._ask(Question(port, b"", _at_once))

    async def _control_ports(self) -> None:
        """Hikvision's greets; that Dahua's is open is all that is wanted of it."""
        is_enough = _at_once if self._hints.maker else hikvision_port.is_complete
        greeting = await self._ask(Question(hikvision_port.PORT, b"", is_enough))
        if greeting.reached is Reached.OPEN:
            self._heard(hikvision_port.parse(greeting.data), hikvision_port.PORT)
        await self._ask(Question(_DVRIP_PORT, b"", _at_once))

    async def _front_page(self, port: int) -> Reached:
        reply = await self._get(port, "/")
        if reply.certificate:
            self._heard(tls_subject.parse(reply.certificate), port)
        if reply.reached is Reached.OPEN and (reply.data or not reply.certificate):
            page = http_banner.parse(reply.data)
            if isinstance(page, Rubbish):
                self._heard(page, port)
            else:
                self._pages[port] = page
                self._see((*http_banner.evidence(page), *_encryption(port, page)))
        return reply.reached

    async def _open_doors(self) -> None:
        """Ask the vendors' own addresses, where pages are served and not only sent elsewhere."""
        ports = sorted(self._pages, key=lambda port: 300 <= self._pages[port].status < 400)
        if not ports:
            return
        if self._hints.speaks_onvif:
            await self._read_at(open_doors.ONVIF, ports[0])
        statuses = await self._makers_doors(ports[0])
        if statuses:
            if self._pages[ports[0]].status != 401:
                self._see(open_doors.lone_refusal(statuses))
            await self._read_at(open_doors.ICON, ports[0])

    async def _makers_doors(self, port: int) -> dict[Door, int]:
        """Return how every maker's door answered; nothing once one of them told whose it is, or the device is odd."""
        statuses: dict[Door, int] = {}
        for door in open_doors.doors_for(self._hints.maker, is_sorted=self._hints.is_sorted):
            answer = await self._at_door(door, port)
            if isinstance(answer, Rubbish):
                return {}
            said = door.read(answer)
            self._see(said)
            if self._hints.maker or any(item.fact is Fact.MAKER for item in said):
                return {}
            statuses[door] = answer.status
        return statuses

    async def _read_at(self, door: Door, port: int) -> None:
        answer = await self._at_door(door, port)
        if isinstance(answer, HttpAnswer):
            self._see(door.read(answer))

    async def _at_door(self, door: Door, port: int) -> HttpAnswer | Rubbish:
        request = door.request(self._peer.address, port)
        reply = await self._ask(Question(port, request, http_banner.is_complete, by_tls=port == _TLS_PORT))
        return http_banner.parse(reply.data)

    async def _get(self, port: int, path: str) -> Reply:
        request = http_banner.request(self._peer.address, port, path)
        return await self._ask(Question(port, request, http_banner.is_complete, by_tls=port == _TLS_PORT))

    async def _ask(self, question: Question) -> Reply:
        reply = await self._caller.ask(self._peer, question)
        if reply.reached is Reached.OPEN:
            self._see(_switched(question.port, "on"), open_ports=(question.port,))
        elif reply.reached is Reached.REFUSED:
            self._see(_switched(question.port, "off"))
        elif reply.reached is Reached.SILENT:
            self._silent.append(question.port)
        return reply

    def _heard(self, answer: Answer, port: int) -> None:
        if isinstance(answer, Heard):
            self._see(answer.evidence, claimed_mac=answer.claimed_mac)
        elif isinstance(answer, Rubbish):
            self._complain(f"{answer.reason} (TCP {port})")

    def _complain(self, problem: str) -> None:
        """Silence proves nobody to be there, so it is told only of a device that has shown itself."""
        if self._is_there:
            self._see(problems=(problem,))

    def _see(
        self,
        evidence: tuple[Evidence, ...] = (),
        *,
        claimed_mac: Mac | None = None,
        open_ports: tuple[int, ...] = (),
        problems: tuple[str, ...] = (),
    ) -> None:
        self._is_there = True
        self._hints.learn(evidence)
        place = (self._peer.interface.name, self._peer.address)
        self._tell(Sighting(*place, evidence, claimed_mac, open_ports, problems))


def _switched(port: int, value: str) -> tuple[Evidence, ...]:
    """Return the switch that a port shows. An open web port may serve pages or only send elsewhere."""
    fact = Fact.PLAIN_HTTP if port == _FRONT_PORT and value == "off" else _SERVICE_PORTS.get(port)
    return say(fact, value, Source.PORT, _PORT_WEIGHT, f"TCP {port}") if fact else ()


def _encryption(port: int, page: HttpAnswer) -> tuple[Evidence, ...]:
    """Return whether pages are served without encryption, from a page of the front door."""
    if port != _FRONT_PORT:
        return ()
    is_sent_on = 300 <= page.status < 400 and page.headers.get("location", "").lower().startswith("https:")
    return say(Fact.PLAIN_HTTP, "off" if is_sent_on else "on", Source.PORT, _PORT_WEIGHT, f"TCP {port}")


@functools.cache
def _known_banners() -> Fingerprints:
    """The fingerprints that came with this agent: they only decide what else is asked."""
    return Fingerprints(packaged_fingerprints())


def _at_once(_data: bytes) -> bool:
    return True
