"""Statements that people wait for: what was asked of which gateway, until it answers. Whoever asked keeps them."""

import asyncio
import contextlib
from collections.abc import Iterator

from bartizan.ids import SiteId
from bartizan.wire.up import StatementMade
from bartizan_controller.errors import Conflict

AT_ONCE = 50


class Statements:
    """Who waits for which answer."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[SiteId, str], asyncio.Future[StatementMade]] = {}

    @contextlib.contextmanager
    def expected(self, site: SiteId, request: str) -> Iterator[asyncio.Future[StatementMade]]:
        """Hold a place for an answer.

        Raises:
            Conflict: Too many people wait.
        """
        if len(self._waiting) >= AT_ONCE:
            raise Conflict(f"{AT_ONCE} statements are being waited for: ask again in a minute")
        answer = self._waiting[site, request] = asyncio.get_running_loop().create_future()
        try:
            yield answer
        finally:
            del self._waiting[site, request]

    def arrived(self, made: StatementMade) -> None:
        """Hand an answer to who waits for it; nobody may, any more."""
        answer = self._waiting.get((made.site, made.request))
        if answer is not None and not answer.done():
            answer.set_result(made)
