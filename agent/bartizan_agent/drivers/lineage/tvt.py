"""TVT's own interface, as its recorders' web pages speak it: XML posted to a path for each question, after a login.

The password is never sent: what is sent is a digest over it and a number that the recorder has just made up. Firmware
that knows no such number wants the password itself, and is not logged in to.
"""

import hashlib
from collections.abc import Callable
from xml.etree.ElementTree import Element

import msgspec

from bartizan.identity.model import Fact, Source
from bartizan.trust.credentials import Credential
from bartizan_agent.discovery.answer import say
from bartizan_agent.drivers import markup, reading
from bartizan_agent.drivers.contract import MOST_CHANNELS, Act, Channel, Declined, Failure, Request, T
from bartizan_agent.drivers.reading import Said

_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"
_NO_NUMBER = "536870934"
_LOCKED = "536870951"
_LOCKED_SECONDS = 1800.0
_RECOGNITION = {"supportFaceMatch": "face recognition", "supportVfd": "face detection"}
_USED_IN_A_COOKIE = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ{}-_.")


class Challenge(msgspec.Struct, frozen=True):
    """What a login has to be made for."""

    number: str
    session: str
    token: str


class Pass(msgspec.Struct, frozen=True):
    """What shows, after a login, that there was one."""

    session: str
    token: str


def challenge() -> Request[Challenge]:
    """Ask for what a login has to be made for. Open to all."""
    body = _envelope("null", "")
    return Request("POST", "/reqLogin", _decode_challenge, body=(body,), content_type=_TYPE, open_to_all=True)


def log_in(credential: Credential, challenge: Challenge) -> Request[Pass]:
    """Log in once."""
    inner = hashlib.md5(credential.password.encode(), usedforsecurity=False).hexdigest().upper()
    proof = hashlib.sha512(f"{inner}#{challenge.number}".encode()).hexdigest()
    content = (
        f"<content><userName>{markup.escape(credential.username)}</userName><password>{proof}</password></content>"
    )

    def decode(body: bytes) -> Pass:
        root = markup.parse(body)
        failure = _refused_login(root)
        if failure is not None:
            raise Declined(failure.act, failure.code, failure.reason, wait_seconds=failure.wait_seconds)
        return Pass(challenge.session, _safe(markup.text(root, "token")) or challenge.token)

    return Request(
        "POST",
        "/doLogin",
        decode,
        body=(_envelope(challenge.token or "null", content),),
        content_type=_TYPE,
        headers=_cookie(challenge.session),
        logs_in_itself=True,
    )


def settings(shown: Pass) -> tuple[Request[Said], ...]:
    """Ask for the settings that hardening looks at."""
    return (
        _ask(shown, "queryTimeCfg", _time_source),
        _ask(shown, "queryUPnPCfg", _upnp),
        _ask(shown, "queryP2PCfg", _cloud),
        _ask(shown, "queryCloudUpgradeCfg", _updates),
        _ask(shown, "querySystemCaps", _analytics),
    )


def channels(shown: Pass) -> Request[tuple[Channel, ...]]:
    """Ask a recorder which cameras it records."""
    return _ask(shown, "queryDevList", _channels)


def log_out(shown: Pass) -> Request[None]:
    """Give the session back: a recorder has few of them."""
    return _ask(shown, "doLogout", lambda _root: None)


def _ask(shown: Pass, name: str, read: Callable[[Element], T]) -> Request[T]:
    def decode(body: bytes) -> T:
        root = markup.parse(body)
        if markup.text(root, "status") != "success":
            raise Declined(Act.NEVER, "declined", f"{name}: error {markup.text(root, 'errorCode')[:20] or 'not named'}")
        return read(_content(root))

    body = _envelope(shown.token or "null", "")
    headers = _cookie(shown.session)
    return Request("POST", f"/{name}", decode, body=(body,), content_type=_TYPE, headers=headers, limit=1024 * 1024)


def _decode_challenge(body: bytes) -> Challenge:
    root = markup.parse(body)
    number = markup.text(root, "nonce")
    if not number or len(number) > 200:
        code = markup.text(root, "errorCode")
        said = "it wants the password itself" if code == _NO_NUMBER else "it gives no number to make a login for"
        raise Declined(Act.NEVER, "no-digest", f"{said}; passwords are not sent so")
    return Challenge(number, _safe(markup.text(root, "sessionId")), _safe(markup.text(root, "token")))


def _refused_login(root: Element) -> Failure | None:
    if markup.text(root, "status") == "success":
        return None
    code = markup.text(root, "errorCode")
    if code == _LOCKED:
        return Failure(
            Act.LATER, "locked-out", "the recorder has locked this gateway out", wait_seconds=_LOCKED_SECONDS
        )
    return Failure(Act.CREDENTIALS, "login-refused", "the recorder refused the user name and password")


def _time_source(content: Element) -> Said:
    way, server = markup.text(content, "type"), markup.text(content, "ntpServer")
    said = f"NTP {server}" if way == "NTP" and server else "manual" if way == "manually" else ""
    return say(Fact.TIME_SOURCE, said, Source.TVT, reading.WEIGHT, "queryTimeCfg")


def _upnp(content: Element) -> Said:
    return reading.switch(Fact.UPNP, markup.text(content, "switch"), Source.TVT, "queryUPnPCfg")


def _cloud(content: Element) -> Said:
    """Two generations of peer-to-peer access have a switch each; one that is on is enough."""
    switches = [switch.text or "" for switch in markup.find_all(content, "switch")]
    word = "true" if any(markup.truth(switch) for switch in switches) else switches[0] if switches else ""
    return reading.switch(Fact.VENDOR_CLOUD, word, Source.TVT, "queryP2PCfg")


def _updates(content: Element) -> Said:
    """That it tells of new firmware is no installing."""
    said = {"close": "off", "notify": "off", "auto": "on"}.get(markup.text(content, "upgradeType"), "")
    return say(Fact.VENDOR_UPDATES, said, Source.TVT, reading.WEIGHT, "queryCloudUpgradeCfg")


def _analytics(content: Element) -> Said:
    return tuple(
        said
        for name, offer in _RECOGNITION.items()
        if markup.truth(markup.text(content, name))
        for said in say(Fact.ANALYTICS, offer, Source.TVT, reading.WEIGHT, "querySystemCaps")
    )


def _channels(content: Element) -> tuple[Channel, ...]:
    """Numbers of channels are those people see, which begin with 1; a list without them is in their order."""
    return tuple(
        Channel(int(number) if number.isdecimal() and len(number) < 6 else place, address)
        for place, item in enumerate(markup.find_all(content, "item")[:MOST_CHANNELS], start=1)
        if (address := markup.text(item, "ip")) and (number := markup.text(item, "chlNum")) is not None
    )


def _content(root: Element) -> Element:
    """Return where the values are: beside it stand the values that they may have."""
    content = markup.find(root, "content")
    return content if content is not None else root


def _envelope(token: str, content: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8" ?><request version="1.0" systemType="NVMS-9000" clientType="WEB">'
        f"<token>{token}</token>{content}</request>"
    ).encode()


def _cookie(session: str) -> tuple[tuple[str, str], ...]:
    return (("Cookie", f"sessionId={session}"),) if session else ()


def _safe(word: str) -> str:
    """Return a word of the recorder's that is sent back to it; nothing where it would be more than a word."""
    return word if len(word) <= 200 and _USED_IN_A_COOKIE.issuperset(word) else ""
