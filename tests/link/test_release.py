"""A release by hand: the whole site opens, everybody hears of it, and one order or the end of its hours closes it."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bartizan.wire import events
from bartizan_agent import release
from bartizan_agent.gateway import Gateway
from bartizan_agent.notes import note
from bartizan_agent.release import Release
from bartizan_controller.access import Role
from tests.controller.running import Running, copy_of, run, until
from tests.fakes.memory_firewall import MemoryFirewall
from tests.link.machine import Machine, heard, linked, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOUR = 3600.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("release") / "controller")) as one:
        yield one


async def test_everybody_hears_of_a_release_and_one_order_ends_it(running: Running, tmp_path: Path) -> None:
    """Loosening takes somebody at the gateway; tightening again takes one person anywhere."""
    machine, firewall = Machine(tmp_path), MemoryFirewall()
    site, token = await new_site(running)
    await machine.enrol(running.controller.api_url, token)
    async with linked(machine, firewall) as gateway:
        gateway.reconcile()
        assert not is_open(firewall)
        lift(machine, firewall, gateway, time.time())
        await until(lambda: bool(heard(running, site, events.CONTAINMENT_RELEASED)), seconds=30)
        gateway.reconcile()
        assert is_open(firewall)

        await ordered(running, "orders", site=site, level="quarantine", reason="the drill is over")
        await until(lambda: not is_open(firewall), seconds=30)

    (told,) = heard(running, site, events.CONTAINMENT_RELEASED)
    assert (told.detail["by"], told.detail["reason"]) == ("duty officer", "drill")
    assert not machine.places.release.exists()


async def test_an_order_that_stood_before_does_not_end_a_release(running: Running, tmp_path: Path) -> None:
    machine, firewall = Machine(tmp_path), MemoryFirewall()
    site, token = await new_site(running)
    await machine.enrol(running.controller.api_url, token)
    async with linked(machine, firewall) as gateway:
        given = await ordered(running, "orders", site=site, level="quarantine", reason="an intruder")
        await until(lambda: len(heard(running, site, events.ORDERS_ACCEPTED)) == 1, seconds=30)
        lift(machine, firewall, gateway, time.time(), raises=(given["order"]["id"],))
        await ordered(running, "scans", site=site)
        await until(lambda: len(heard(running, site, events.ORDERS_ACCEPTED)) == 2, seconds=30)
        gateway.reconcile()
        assert is_open(firewall)


async def test_a_release_ends_with_its_hours(running: Running, tmp_path: Path) -> None:
    machine, firewall = Machine(tmp_path), MemoryFirewall()
    _, token = await new_site(running)
    await machine.enrol(running.controller.api_url, token)
    async with linked(machine, firewall) as gateway:
        lift(machine, firewall, gateway, time.time() - 3 * HOUR)

        assert not is_open(firewall)


async def ordered(running: Running, path: str, **order: str) -> Any:
    """Ask the controller for an order, on a connection of its own: it closes those that were silent for a while."""
    async with running.caller(Role.SOC) as soc:
        return (await soc.post(path, json=order)).raise_for_status().json()


def is_open(firewall: MemoryFirewall) -> bool:
    return firewall.enforced is None


def lift(machine: Machine, firewall: MemoryFirewall, gateway: Gateway, at: float, raises: tuple[str, ...] = ()) -> None:
    """Do what `bartizan-agent release --all --hours 2` does, and have the agent look."""
    lifted = Release(by="duty officer", reason="drill", began_at=at, ends_at=at + 2 * HOUR, raises=raises)  # type: ignore[arg-type]
    told = note(events.CONTAINMENT_RELEASED, by=lifted.by, reason=lifted.reason, until=f"{lifted.ends_at:.0f}")
    with release.changing(machine.places):
        release.begin(machine.places, lifted, told)
        firewall.remove_all()
    gateway.attend()
