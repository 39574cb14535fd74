"""Somebody else's hand on the ruleset is felt at once; our own is not mistaken for it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan_agent.nftables.drift import UNKNOWN, foreign_changes
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.nftables.netlink import Change, open_changes, parse
from bartizan_lab.netns import Namespace
from tests.containment.estate import estate, with_level

SITE = estate(4)

Watched = tuple[Namespace, Nftables, socket.socket]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Namespace("gateway") as gateway:
        with gateway.entered():
            firewall, changes = Nftables(tmp_path), open_changes()
        with contextlib.closing(firewall), changes:
            yield gateway, firewall, changes


async def first(heard: AsyncIterator[Change], seconds: float = 5.0) -> Change:
    return await asyncio.wait_for(anext(heard), seconds)


@pytest.mark.netns
async def test_a_flush_is_heard_and_repaired(watched: Watched) -> None:
    gateway, firewall, changes = watched
    firewall.apply(SITE)
    async with contextlib.aclosing(foreign_changes(changes, lambda: firewall.verified_generation)) as heard:
        gateway.run("nft", "flush", "ruleset")

        change = await first(heard)
        assert change.name == "nft"
        assert not firewall.read().intact
        firewall.apply(SITE)
        assert firewall.read().intact


@pytest.mark.netns
async def test_our_own_changes_are_not_heard(watched: Watched) -> None:
    _, firewall, changes = watched
    async with contextlib.aclosing(foreign_changes(changes, lambda: firewall.verified_generation)) as heard:
        firewall.apply(estate(300))
        firewall.apply(with_level(estate(300), 0, Level.QUARANTINE))

        with pytest.raises(TimeoutError):
            await first(heard, seconds=0.2)


@pytest.mark.netns
async def test_a_change_that_a_look_found_harmless_is_not_heard_again(watched: Watched) -> None:
    gateway, firewall, changes = watched
    firewall.apply(SITE)
    async with contextlib.aclosing(foreign_changes(changes, lambda: firewall.verified_generation)) as heard:
        gateway.run("nft", "add table inet office")
        assert firewall.read().intact

        with pytest.raises(TimeoutError):
            await first(heard, seconds=0.2)


@pytest.mark.netns
async def test_a_transaction_of_any_size_is_one_message(watched: Watched) -> None:
    gateway, firewall, changes = watched
    firewall.apply(SITE)
    addresses = ", ".join(f"10.{number >> 8}.{number & 255}.1" for number in range(5000))
    many = f"table inet office {{\nset many {{\ntype ipv4_addr\nelements = {{ {addresses} }}\n}}\n}}\n"
    generation = firewall.verified_generation
    async with contextlib.aclosing(foreign_changes(changes, lambda: firewall.verified_generation)) as heard:
        gateway.run("nft", "--file", "-", text_in=many)

        assert (await first(heard)).generation == generation + 1


async def test_lost_messages_count_as_drift() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    with theirs, contextlib.closing(Deaf(ours)) as changes:
        theirs.send(b"")
        async with contextlib.aclosing(foreign_changes(changes, lambda: 10**6)) as heard:
            assert await first(heard) is UNKNOWN


class Deaf(socket.socket):
    """A netlink socket whose queue was full once."""

    def __init__(self, inner: socket.socket) -> None:
        super().__init__(inner.family, inner.type, inner.proto, fileno=inner.detach())

    def recv(self, *_: int) -> bytes:
        raise OSError(105, "No buffer space available")


def test_a_message_cut_short_or_strange_says_nothing() -> None:
    assert parse(b"") == UNKNOWN
    assert parse(b"\xff" * 64) == UNKNOWN
    assert parse(bytes(20) + b"\0\0\1\0" * 4) == UNKNOWN
