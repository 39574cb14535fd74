"""Everything of the agent that reads octets of devices before any login, and what must hold of it whatever comes."""

from collections.abc import Callable
from pathlib import Path

from bartizan.ids import Mac
from bartizan_agent.discovery import (
    bosch,
    dhcp,
    dhdiscover,
    eden,
    foscam,
    hanwha,
    hikvision_port,
    http_banner,
    mdns,
    nicevision,
    open_doors,
    panasonic,
    rtnetlink,
    rtsp_banner,
    sadp,
    sony,
    ssdp,
    tls_subject,
    ubiquiti,
    vision360,
    vivotek,
    vstarcam,
    ws_discovery,
)
from bartizan_agent.discovery.answer import TEXT_LIMIT, Answer, Heard, Rubbish
from bartizan_agent.discovery.http_banner import HttpAnswer

CORPUS = Path(__file__).parents[3] / "tests/fuzz/corpus"
_SENDER = Mac("ac:cc:8e:00:00:01")


def _web_page(data: bytes) -> Answer:
    http_banner.is_complete(data)
    page = http_banner.parse(data)
    if not isinstance(page, HttpAnswer):
        return page
    return Heard((*http_banner.evidence(page), *(said for door in open_doors.DOORS for said in door.read(page))))


def _netlink(data: bytes) -> Answer:
    assert len(list(rtnetlink.messages(data))) <= len(data) // 16
    return None


TARGETS: dict[str, Callable[[bytes], Answer]] = {
    "bosch": bosch.parse,
    "dhcp": lambda data: dhcp.parse(data, _SENDER),
    "dhdiscover": dhdiscover.parse,
    "dhdiscover-old": dhdiscover.parse_old,
    "eden": eden.parse,
    "foscam": foscam.parse,
    "hanwha": hanwha.parse,
    "hikvision-port": hikvision_port.parse,
    "http": _web_page,
    "mdns": mdns.parse,
    "netlink": _netlink,
    "nicevision": nicevision.parse,
    "panasonic": panasonic.parse,
    "rtsp": rtsp_banner.parse,
    "sadp": sadp.parse,
    "sony": sony.parse,
    "ssdp": ssdp.parse,
    "tls": tls_subject.parse,
    "ubiquiti": ubiquiti.parse,
    "upnp": ssdp.parse_description,
    "vision360": vision360.parse,
    "vivotek": vivotek.parse,
    "vstarcam": vstarcam.parse,
    "ws-discovery": ws_discovery.parse,
}


def check(name: str, data: bytes) -> None:
    """Let one target read the data.

    Raises:
        AssertionError: What it gives is not what answers are.
    """
    answer = TARGETS[name](data)
    assert answer is None or isinstance(answer, Heard | Rubbish)
    if isinstance(answer, Heard):
        assert all(0 < len(said.value) <= TEXT_LIMIT and said.value.isprintable() for said in answer.evidence)
        assert all(0 < port < 65536 for port in answer.web_ports)


def kept(name: str) -> list[bytes]:
    """Return the inputs kept for a target: one a line, in hexadecimal."""
    path = CORPUS / f"{name}.hex"
    return [bytes.fromhex(line) for line in path.read_text(encoding="ascii").splitlines()] if path.exists() else []
