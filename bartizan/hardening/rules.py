"""From what was read of a device to how it stands to each check. Pure; what could not be read is unknown."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping

from bartizan.hardening.checks import CHECKS
from bartizan.hardening.model import Finding, Hardening, Shortfall, Standing
from bartizan.identity.model import Evidence, Fact, Kind, Source
from bartizan.policy.model import HardeningDuty

USUAL_PORTS = frozenset({80, 443, 554, 8000, 8080, 8443, 37777})
"""What cameras and recorders are for: pages, streams, and the makers' control ports."""
OWN_CHECK_PORTS = frozenset({22, 23})
LINES, COLUMNS = 1080, 1920

EVIDENCE_LIMIT = 160  # characters: it travels for every device of a site

_OUTSIDE_SERVERS = re.compile(
    r"(?:\bpool\.ntp\.org|\btime\.(?:windows|google|cloudflare|apple|nist)\.[a-z]{2,4}|\bntp\d?\.[a-z]{2,20}\.com)\Z",
    re.IGNORECASE,
)
_SIZE = re.compile(r"\A([0-9]{2,5})x([0-9]{2,5})\Z")

Said = Mapping[Fact, tuple[Evidence, ...]]
Outcome = tuple[bool, str] | None
"""Whether it is as it should be, and by what that is known; None: it cannot be told."""


def assess(evidence: Iterable[Evidence], open_ports: tuple[int, ...], kind: Kind) -> Hardening:
    """Return how a device stands to every check. What is known to be no camera or recorder is not checked.

    Args:
        evidence: All that is remembered of it.
        open_ports: TCP ports that were seen open.
        kind: What it is taken to be.
    """
    if kind is Kind.OTHER:
        return Hardening()
    said: dict[Fact, tuple[Evidence, ...]] = {}
    for item in evidence:
        said[item.fact] = (*said.get(item.fact, ()), item)
    outcomes = {check.id: _RULES[check.duty](said, open_ports) for check in CHECKS}
    if kind is Kind.RECORDER:
        del outcomes[HardeningDuty.RESOLUTION.value]
    return Hardening(
        shortfalls=tuple(
            Shortfall(check, outcome[1][:EVIDENCE_LIMIT])
            for check, outcome in outcomes.items()
            if outcome and not outcome[0]
        ),
        met=tuple(check for check, outcome in outcomes.items() if outcome and outcome[0]),
        analytics=tuple(sorted({item.value for item in said.get(Fact.ANALYTICS, ())})),
    )


def findings(hardening: Hardening) -> tuple[Finding, ...]:
    """Return every check of a device for people: what failed first, the gravest first."""
    found = [
        Finding(
            check=check.id,
            standing=standing(hardening, check.id),
            severity=check.severity,
            title=check.title,
            evidence=hardening.failed.get(check.id, ""),
            mend=check.mend,
            source=check.source,
        )
        for check in CHECKS
    ]
    return tuple(sorted(found, key=lambda finding: (_STANDINGS.index(finding.standing), _order(finding))))


def standing(hardening: Hardening, check: str) -> Standing:
    """Return how a device stands to one check, or to the duty of that name."""
    if check in hardening.failed:
        return Standing.FAILED
    return Standing.MET if check in hardening.met else Standing.UNKNOWN


def _order(finding: Finding) -> int:
    return ("high", "medium", "low").index(finding.severity.value)


def _switch(fact: Fact, what: str) -> Callable[[Said, tuple[int, ...]], Outcome]:
    """Return the rule for a service that is to be off: whoever says that it is on is believed."""

    def rule(said: Said, _ports: tuple[int, ...]) -> Outcome:
        on = [item for item in said.get(fact, ()) if item.value == "on"]
        if on:
            return False, f"{what} is on ({_by(on[0])})"
        off = [item for item in said.get(fact, ()) if item.value == "off"]
        return (True, f"{what} is off ({_by(off[0])})") if off else None

    return rule


def _password(said: Said, _ports: tuple[int, ...]) -> Outcome:
    for item in said.get(Fact.DEFAULT_PASSWORD, ()):
        if item.value == "accepted":
            return False, f"it lets in whoever knows its maker's default password ({_by(item)})"
    states = said.get(Fact.FACTORY_STATE, ())
    for item in states:
        if item.value == "true":
            return False, f"it is in factory state: no password was set yet ({_by(item)})"
    if states:
        return True, f"a password was set ({_by(states[0])})"
    refused = said.get(Fact.DEFAULT_PASSWORD, ())
    return (True, f"its maker's default password was refused ({_by(refused[0])})") if refused else None


def _upnp(said: Said, ports: tuple[int, ...]) -> Outcome:
    answers = [item for items in said.values() for item in items if item.source is Source.SSDP]
    if answers:
        return False, "it answers UPnP's search (SSDP)"
    return _switch(Fact.UPNP, "UPnP")(said, ports)


def _https(said: Said, _ports: tuple[int, ...]) -> Outcome:
    pages = said.get(Fact.PLAIN_HTTP, ())
    served = [item for item in pages if item.value == "on"]
    if served:
        return False, f"pages are served without encryption ({_by(served[0])})"
    return (True, f"no page is served without encryption ({_by(pages[0])})") if pages else None


def _onvif(said: Said, _ports: tuple[int, ...]) -> Outcome:
    answers = said.get(Fact.ONVIF_WITHOUT_LOGIN, ())
    for item in answers:
        if item.value == "on":
            return False, f"it tells strangers who it is by ONVIF ({_by(item)})"
    off = [item for item in (*answers, *said.get(Fact.ONVIF, ())) if item.value == "off"]
    return (True, f"ONVIF tells strangers nothing ({_by(off[0])})") if off else None


def _time(said: Said, _ports: tuple[int, ...]) -> Outcome:
    sources = said.get(Fact.TIME_SOURCE, ())
    if not sources:
        return None
    item = max(sources, key=lambda item: item.weight)
    way, _, server = item.value.partition(" ")
    if way.lower() != "ntp":
        return False, f"its clock is set by hand ({_by(item)})"
    is_inside = _is_inside(server.strip())
    if is_inside is None:
        return None
    return is_inside, f"it takes its time from {server} ({_by(item)})"


def _is_inside(server: str) -> bool | None:
    """Return whether a time server is on a private network; None where its name does not tell."""
    try:
        address = ipaddress.ip_address(server)
    except ValueError:
        return False if _OUTSIDE_SERVERS.search(server) else None
    return address.is_private if not address.is_unspecified else None


def _ports(_said: Said, ports: tuple[int, ...]) -> Outcome:
    if not ports:
        return None
    unusual = [port for port in ports if port not in USUAL_PORTS | OWN_CHECK_PORTS]
    if unusual:
        return False, f"open: TCP {', '.join(str(port) for port in unusual)}"
    return True, f"open: TCP {', '.join(str(port) for port in ports)}"


def _resolution(said: Said, _ports: tuple[int, ...]) -> Outcome:
    sizes = [(match, item) for item in said.get(Fact.RESOLUTION, ()) if (match := _SIZE.match(item.value))]
    if not sizes:
        return None
    match, item = max(sizes, key=lambda size: int(size[0][1]) * int(size[0][2]))
    short, long = sorted((int(match[1]), int(match[2])))
    return short >= LINES and long >= COLUMNS, f"its main stream has {item.value} ({_by(item)})"


def _by(item: Evidence) -> str:
    return item.detail or item.source.value


_STANDINGS = (Standing.FAILED, Standing.UNKNOWN, Standing.MET)
_RULES: dict[HardeningDuty, Callable[[Said, tuple[int, ...]], Outcome]] = {
    HardeningDuty.NO_DEFAULT_PASSWORD: _password,
    HardeningDuty.NO_VENDOR_CLOUD: _switch(Fact.VENDOR_CLOUD, "access by its maker's cloud"),
    HardeningDuty.NO_UPNP: _upnp,
    HardeningDuty.NO_TELNET: _switch(Fact.TELNET, "telnet"),
    HardeningDuty.NO_SSH: _switch(Fact.SSH, "SSH"),
    HardeningDuty.HTTPS_ONLY: _https,
    HardeningDuty.ONVIF_LOGIN: _onvif,
    HardeningDuty.TIME_SOURCE: _time,
    HardeningDuty.NO_VENDOR_UPDATES: _switch(Fact.VENDOR_UPDATES, "installing its maker's firmware by itself"),
    HardeningDuty.NO_UNKNOWN_PORTS: _ports,
    HardeningDuty.RESOLUTION: _resolution,
}
