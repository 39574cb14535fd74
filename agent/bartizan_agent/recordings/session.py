"""A session around another one, for those who look at or replace a part of what it does."""

from bartizan.trust.credentials import Credential
from bartizan_agent.drivers.contract import CameraSession, Failure, Request, Stream, T


class SessionAround:
    """A `CameraSession` that hands everything on to another."""

    def __init__(self, inner: CameraSession) -> None:
        self._inner = inner

    @property
    def host(self) -> str:
        """See `CameraSession`."""
        return self._inner.host

    @property
    def credential(self) -> Credential | None:
        """See `CameraSession`."""
        return self._inner.credential

    async def send(self, request: Request[T]) -> T | Failure:
        """See `CameraSession`."""
        return await self._inner.send(request)

    async def describe_stream(self, path: str) -> Stream | Failure:
        """See `CameraSession`."""
        return await self._inner.describe_stream(path)

    def now(self) -> float:
        """See `CameraSession`."""
        return self._inner.now()

    def nonce(self) -> bytes:
        """See `CameraSession`."""
        return self._inner.nonce()
