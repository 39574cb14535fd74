"""NVMS-9000, the web interface of TVT's recorders: XML posted to a path for each question, after a login of its own.

Newer firmware gives a number to log in for, and the session beside it; older firmware gives neither and wants the
password itself.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bartizan_lab.cameras.access import Allowed
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.lineage.traits import LineageTraits
from bartizan_lab.cameras.web import XML, Request, Response
from bartizan_lab.cameras.xmltext import document, element, fields

_NO_NUMBER, _WRONG_PASSWORD, _LOCKED, _NO_SESSION = "536870934", "536870948", "536870951", "536871060"
_TYPES = element("types", element("upgradeType", fields([("enum", way) for way in ("close", "notify", "auto")])))


@dataclass
class _Sessions:
    """Numbers given out, and passes for whoever logged in."""

    numbers: dict[str, str] = field(default_factory=dict)
    """By session."""
    tokens: dict[str, str] = field(default_factory=dict)


class NvmsPages:
    """The interface of one recorder."""

    def __init__(self, camera: Camera, traits: LineageTraits) -> None:
        self._camera = camera
        self._traits = traits
        self._sessions = _Sessions()

    def answers(self, request: Request) -> bool:
        """Return whether this request is for the interface."""
        name = request.path.removeprefix("/")
        return request.method == "POST" and name.startswith(("req", "do", "query", "edit", "restore", "upgrade"))

    def answer(self, request: Request) -> Response:
        """Answer one question."""
        name = request.path.removeprefix("/")
        if name == "reqLogin":
            return self._challenge()
        session = _session(request)
        if name == "doLogin":
            return self._log_in(request, session)
        if not session or not hmac.compare_digest(self._sessions.tokens.get(session, "-"), _inner(request, "token")):
            return _failed(name, _NO_SESSION)
        if name == "doLogout":
            del self._sessions.tokens[session]
            return _done(name, "")
        content = self._contents().get(name)
        if content is None:
            if not name.startswith("query"):
                self._camera.state.meddling.append(f"NVMS {name} from {request.source}")
            return _failed(name, "536870943")
        return _done(name, content)

    @property
    def open_sessions(self) -> int:
        """How many logged in and did not log out."""
        return len(self._sessions.tokens)

    def _challenge(self) -> Response:
        if not self._traits.numbered_login:
            return _failed("reqLogin", _NO_NUMBER)
        count = len(self._sessions.numbers) + 1
        session = hashlib.sha256(f"{self._camera.state.serial} {count}".encode()).hexdigest()[:32]
        self._sessions.numbers[session] = number = session[::-1]
        return _done("reqLogin", element("content", fields([("nonce", number), ("sessionId", session)])))

    def _log_in(self, request: Request, session: str) -> Response:
        number = self._sessions.numbers.pop(session, "")
        user, proof = _inner(request, "userName"), _inner(request, "password")
        password = self._camera.state.users.get(user, "")
        inner = hashlib.md5(password.encode()).hexdigest().upper()
        wanted = hashlib.sha512(f"{inner}#{number}".encode()).hexdigest()
        right = bool(number and password) and hmac.compare_digest(wanted, proof)
        verdict = self._camera.authorise_token(user, request.source, self._traits.badge, right=right)
        if not isinstance(verdict, Allowed):
            return _failed("doLogin", _LOCKED if verdict.locked else _WRONG_PASSWORD)
        self._sessions.tokens[session] = token = f"{{{hashlib.sha256(number.encode()).hexdigest()[:32]}}}"
        return _done("doLogin", element("content", fields([("token", token), ("userId", "1")])))

    def _contents(self) -> Mapping[str, str]:
        traits = self._traits
        way = "NTP" if traits.time_server else "manually"
        synchronised = fields([("type", way), ("ntpServer", traits.time_server)])
        devices = "".join(
            element(
                "item",
                fields([("name", f"Camera {number}"), ("chlNum", str(number)), ("ip", address), ("port", "80")]),
                id=f"{{{number:08d}-0000-0000-0000-000000000000}}",
            )
            for number, address in enumerate(traits.channel_addresses, start=1)
        )
        p2p = "".join(
            element("switch", _flag(traits.cloud and index == 1).strip(), index=str(index)) for index in (0, 1)
        )
        able = [(name, _flag(name in traits.capabilities)) for name in ("supportFaceMatch", "supportVfd", "supportPOS")]
        return {
            "queryTimeCfg": element("content", element("synchronizeInfo", synchronised)),
            "queryUPnPCfg": element("content", fields([("switch", _flag(traits.upnp)), ("mappingType", "auto")])),
            "queryP2PCfg": element("content", p2p),
            "queryCloudUpgradeCfg": _TYPES
            + element(
                "content", element("cloudUpgrade", element("nvrItem", fields([("upgradeType", traits.upgrade_type)])))
            ),
            "querySystemCaps": element("content", fields(able)),
            "queryDevList": element("content", devices, type="list", total=str(len(traits.channel_addresses))),
        }


def _flag(value: bool) -> str:  # noqa: FBT001 - renders a boolean
    return "true" if value else "false"


def _session(request: Request) -> str:
    _, _, session = request.headers.get("cookie", "").partition("sessionId=")
    return session.partition(";")[0].strip()


def _inner(request: Request, name: str) -> str:
    try:
        return (fromstring(request.body).findtext(f".//{name}") or "").strip()
    except (ParseError, DefusedXmlException, ValueError):
        return ""


def _done(name: str, content: str) -> Response:
    return Response(200, document(element("response", fields([("status", "success")]) + content, cmdUrl=name)), XML)


def _failed(name: str, code: str) -> Response:
    inside = fields([("status", "fail"), ("errorCode", code)])
    return Response(200, document(element("response", inside, cmdUrl=name)), XML)
