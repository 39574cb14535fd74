"""Requests to cameras: who is asked, when, as whom, and at which door.

Cameras are hostile until shown otherwise: answers are bounded in size and time, nothing is decompressed, no redirect
is followed, no cookie kept, no proxy or environment consulted, every connection used once. Encoders and web servers in
cameras keep alive badly, so an old connection's leftovers can never be taken for an answer.

Logging in is Digest only, over HTTPS where the camera has it. Its certificate proves nothing (cameras sign their own,
in names nobody knows), so no name is checked; its fingerprint is remembered and a change of it is told. Each camera is
asked one thing at a time by all programs of the gateway, and every login is the `LoginBudget`'s to permit.
"""

import asyncio
import os
import secrets
import sqlite3
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from bartizan.identity.model import Device
from bartizan.ids import Address
from bartizan.trust.credentials import Credential
from bartizan_agent.camera_certificates import Certificates, fingerprint_of, tls_context
from bartizan_agent.camera_transfer import Answer, Sending, read, read_as
from bartizan_agent.drivers import digest, stream
from bartizan_agent.drivers.contract import Act, Body, Failure, ImageFile, Request, Stream
from bartizan_agent.http_transport import OneConnectionEach
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.turns import Turns

T = TypeVar("T")

CONNECT_SECONDS = 3.0
AT_ONCE = 16
"""Exchanges with cameras at one time, over the whole agent."""
_READ_SECONDS = 10.0
_TRIES_TO_LOG_IN = 3
_REFUSED = "login-refused"
_IN_USE = Failure(Act.LATER, "in-use", "another program of this gateway is speaking to the camera")
_NO_CREDENTIAL = Failure(Act.CREDENTIALS, "no-credential", "the camera wants a login and none is known for it")


class Door(msgspec.Struct, frozen=True):
    """A port on which a camera may speak HTTP."""

    scheme: str
    port: int


class Doors(msgspec.Struct, frozen=True):
    """Where a camera may be spoken to, best first."""

    http: tuple[Door, ...] = (Door("https", 443), Door("http", 80))
    rtsp: int = 554


class CameraHttp:
    """What all sessions share: the budget, the limits, and who is being asked.

    Args:
        budget: Permits each login.
        connection: The agent's store, with `SCHEMA` made.
        clock: Returns Unix seconds.
        doors: Where cameras are spoken to.
        transport: Carries requests; for recordings. Default: real connections.
        turns: Shared with other programs that speak to the same cameras. None: there are no others.
    """

    def __init__(
        self,
        budget: LoginBudget,
        connection: sqlite3.Connection,
        *,
        clock: Callable[[], float] = time.time,
        doors: Doors = Doors(),  # noqa: B008 - a frozen value
        transport: httpx.AsyncBaseTransport | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.budget = budget
        self.certificates = Certificates(connection, clock)
        self.clock = clock
        self.doors = doors
        self.transport = transport or OneConnectionEach(tls_context())
        self._turns = turns
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    def open(self, device: Device, credential: Credential | None, *, restarting: bool = False) -> "HttpSession":
        """Return a session with one device, at its first address.

        Args:
            device: As the inventory knows it.
            credential: What to log in with; None to ask only what is open to all.
            restarting: It was just told to restart, so that a refused login may be its start and no verdict.

        Raises:
            ValueError: It has no address.
        """
        if not device.addresses:
            raise ValueError(f"{device.id} has no address: look for it first")
        return self.session(device.id, device.addresses[0], credential, restarting=restarting)

    def session(
        self, camera: str, address: Address, credential: Credential | None, *, restarting: bool = False
    ) -> "HttpSession":
        """Return a session with whatever answers at an address, its login budget kept under the name `camera`."""
        lock = self._locks.setdefault(camera, asyncio.Lock())
        return HttpSession(self, camera, address, credential, restarting=restarting, lock=lock)

    @asynccontextmanager
    async def turn(self, camera: str, lock: asyncio.Lock) -> AsyncIterator[bool]:
        """Be the only one who speaks to a camera for the block. Yields False if somebody else still does."""
        async with lock, self._at_once:
            if self._turns is None:
                yield True
                return
            async with self._turns.turn(camera) as is_ours:
                yield is_ours


class HttpSession:
    """A `CameraSession`: use it as an asynchronous context manager."""

    def __init__(
        self,
        shared: CameraHttp,
        camera: str,
        address: Address,
        credential: Credential | None,
        *,
        restarting: bool,
        lock: asyncio.Lock,
    ) -> None:
        self.credential = credential
        self.certificate_changed = False
        self._shared = shared
        self._camera = camera
        self._address = address
        self._doors = shared.doors
        self._door: Door | None = None
        self._restarting = restarting
        self._lock = lock
        self._login = _Login()
        self._client = httpx.AsyncClient(
            transport=shared.transport,
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"Accept-Encoding": "identity", "User-Agent": "bartizan", "Accept": "*/*"},
            timeout=httpx.Timeout(_READ_SECONDS, connect=CONNECT_SECONDS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    @property
    def host(self) -> str:
        """The address, as in a URL."""
        return f"[{self._address}]" if ":" in self._address else self._address

    def now(self) -> float:
        """The gateway's time, Unix seconds."""
        return self._shared.clock()

    def nonce(self) -> bytes:
        """Fresh random octets, for vendors' own ways of logging in."""
        return os.urandom(16)

    async def send(self, request: Request[T]) -> T | Failure:
        """Return what the camera answered, decoded. Never raises for anything a camera does."""
        if _has_image(request.body) and not request.prime:
            raise ValueError(
                f"{request.method} {request.path} carries an image and must name a path to log in on first"
            )
        async with self._shared.turn(self._camera, self._lock) as is_ours:
            if not is_ours:
                return _IN_USE
            if _has_image(request.body) and self._login.challenge is None:
                primed = await self._exchange(Request("GET", request.prime, _nothing))
                if isinstance(primed, Failure) and primed.act is not Act.NEVER:
                    return primed
            answer = await self._exchange(request)
            if isinstance(answer, Failure):
                return answer
            return self._decoded(request, answer)

    async def describe_stream(self, path: str) -> Stream | Failure:
        """Return what RTSP DESCRIBE says of the stream at `path` (with its query)."""
        async with self._shared.turn(self._camera, self._lock) as is_ours:
            if not is_ours:
                return _IN_USE
            login = _Login()
            found = await stream.describe(
                self.host,
                self._doors.rtsp,
                path,
                lambda challenge, method, uri: self._answer(login, challenge, method, uri),
            )
            if isinstance(found, Failure) and found.code == _REFUSED:
                return self._login_refused()
            if isinstance(found, Stream) and login.challenge is not None:
                self._shared.budget.accepted(self._camera)
            return found

    async def _exchange(self, request: Request[T]) -> Answer | Failure:
        """Send a request until it is let in, refused, or failed."""
        withheld = self._withheld() if request.logs_in_itself else None
        if withheld is not None:
            return withheld
        for _ in range(_TRIES_TO_LOG_IN):
            authorization = self._authorization(request)
            if isinstance(authorization, Failure):
                return authorization
            answer = await self._knock(request, authorization)
            if isinstance(answer, Failure):
                return answer
            if answer.status != 401 or request.open_to_all:
                if authorization:
                    self._login.accepted = True
                    self._shared.budget.accepted(self._camera)
                return answer
            refusal = self._challenged(request, answer, tried=bool(authorization))
            if refusal is not None:
                return refusal
        return self._login_refused()

    def _authorization(self, request: Request[T]) -> str | Failure:
        if request.open_to_all or self._login.challenge is None:
            return ""
        # The digest is over the target as it is sent, which httpx may have percent-encoded.
        target = httpx.URL(f"http://{self.host}{request.path}").raw_path.decode("ascii")
        return self._answer(self._login, self._login.challenge, request.method, target)

    def _answer(self, login: "_Login", challenge: digest.Challenge, method: str, uri: str) -> str | Failure:
        if self.credential is None:
            return _NO_CREDENTIAL
        withheld = self._withheld()
        if withheld is not None:
            return withheld
        login.challenge = challenge
        login.count += 1
        return digest.authorization(
            challenge, self.credential, method=method, uri=uri, count=login.count, cnonce=secrets.token_hex(8)
        )

    def _withheld(self) -> Failure | None:
        """Return why the budget permits no login now, if so."""
        if self.credential is None:
            return None
        permission = self._shared.budget.permits(self._camera, self.credential)
        if permission.granted:
            return None
        act = Act.LATER if permission.wait_seconds else Act.CREDENTIALS
        return Failure(act, "login-withheld", permission.reason, wait_seconds=permission.wait_seconds)

    def _challenged(self, request: Request[T], answer: Answer, *, tried: bool) -> Failure | None:
        """Take up a new challenge. Return why that is of no use, if so."""
        explained = request.explain(answer.status, answer.body)
        if explained is not None and explained.code != _REFUSED:
            self._note_lock_out(explained)
            return explained
        challenge = digest.strongest(answer.challenges)
        if challenge is None:
            if explained is not None:
                return self._login_refused()
            return Failure(
                Act.NEVER, "no-digest", "the camera offers no digest login; passwords are not sent otherwise"
            )
        renewed = challenge.stale or self._login.accepted  # a nonce ran out, which is no refusal
        if tried and not renewed:
            return self._login_refused()
        self._login = _Login(challenge)
        return None

    def _note_lock_out(self, failure: Failure) -> None:
        if failure.code == "locked-out" and self.credential is not None:
            self._shared.budget.locked_out(self._camera, self.credential, failure.wait_seconds)

    def _login_refused(self) -> Failure:
        if self.credential is None:
            return _NO_CREDENTIAL
        if self._restarting:
            permission = self._shared.budget.refused_while_restarting(self._camera, self.credential)
            if permission.granted:
                return Failure(
                    Act.LATER, "refused-while-restarting", permission.reason, wait_seconds=permission.wait_seconds
                )
        else:
            self._shared.budget.refused(self._camera, self.credential)
        return Failure(Act.CREDENTIALS, _REFUSED, "the camera refused the user name and password")

    async def _knock(self, request: Request[T], authorization: str) -> Answer | Failure:
        """Send a request once, at the first door that opens."""
        doors = self._doors.http if self._door is None else (self._door,)
        failure = Failure(Act.LATER, "no-answer", "the camera has no door to knock at")
        for door in doors:
            found = await self._once(door, request, authorization)
            if not isinstance(found, Failure) or found.code != "no-answer":
                self._door = door
                return found
            failure = found
        return failure

    async def _once(self, door: Door, request: Request[T], authorization: str) -> Answer | Failure:
        sending = Sending(request.body)
        try:
            async with asyncio.timeout(request.seconds):
                return await self._stream(door, request, authorization, sending)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return Failure(Act.LATER, "no-answer", f"no {door.scheme} connection on port {door.port}")
        except (TimeoutError, httpx.TimeoutException):
            return Failure(Act.LATER, "timed-out", "no answer in time", octets_sent=sending.octets)
        except httpx.HTTPError:
            return Failure(Act.LATER, "broken-off", "the connection was broken off", octets_sent=sending.octets)

    async def _stream(self, door: Door, request: Request[T], authorization: str, sending: Sending) -> Answer | Failure:
        url = f"{door.scheme}://{self.host}:{door.port}{request.path}"
        headers = dict(request.headers) | sending.headers(request.content_type)
        if authorization:
            headers["Authorization"] = authorization
        content = sending if request.body else None
        async with self._client.stream(request.method, url, headers=headers, content=content) as response:
            self._note_certificate(response)
            body, failure = await read(response, request)
            if failure is not None:
                return msgspec.structs.replace(failure, octets_sent=sending.octets)
            challenges = tuple(response.headers.get_list("www-authenticate"))
            return Answer(response.status_code, body, challenges, sending.octets)

    def _note_certificate(self, response: httpx.Response) -> None:
        fingerprint = fingerprint_of(response)
        if fingerprint and self._shared.certificates.changed(self._camera, fingerprint):
            self.certificate_changed = True

    def _decoded(self, request: Request[T], answer: Answer) -> T | Failure:
        found = read_as(request, answer)
        if isinstance(found, Failure):
            if found.code == _REFUSED:
                return self._login_refused()
            self._note_lock_out(found)
            return msgspec.structs.replace(found, octets_sent=answer.octets_sent)
        if request.logs_in_itself:
            self._shared.budget.accepted(self._camera)
        return found


class _Login:
    """Where the login of one session stands."""

    def __init__(self, challenge: digest.Challenge | None = None) -> None:
        self.challenge = challenge
        self.count = 0
        self.accepted = False


def _has_image(body: Body) -> bool:
    return any(isinstance(part, ImageFile) for part in body)


def _nothing(_body: bytes) -> None:
    """Decode an answer that only had to come."""
