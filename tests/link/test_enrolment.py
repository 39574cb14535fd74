"""A gateway is brought in by its own program, once, or told why not; its certificate renews itself afterwards."""

import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from bartizan.errors import Unavailable
from bartizan.trust.enrolment import write_token
from bartizan.wire import events
from bartizan.wire.down import OrdersEnvelope
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.settings import load
from bartizan_controller.access import Role
from bartizan_controller.authority import Authority
from tests.controller.running import Running, copy_of, run, until
from tests.link.machine import Machine, heard, linked, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = 86400.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("enrolment") / "controller")) as one:
        yield one


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def url(running: Running) -> str:
    return running.controller.api_url


async def test_a_token_makes_a_machine_the_gateway_of_its_site(running: Running, machine: Machine, url: str) -> None:
    site, token = await new_site(running)
    settings = await machine.enrol(url, f"  {token}\n")

    assert (settings.site, [segment.interface for segment in settings.segments]) == (site, ["cam0"])
    assert load(machine.configuration) == settings
    keys = IdentityKeys(machine.places.keys)
    assert not keys.is_renewal_due(time.time())
    async with linked(machine):
        await until(lambda: len(heard(running, site, events.AGENT_STARTED)) == 1, seconds=30)


async def test_what_a_token_does_not_open_stays_shut(running: Running, machine: Machine, url: str) -> None:
    """Used, invented, cut or of another controller: each says what to do, and leaves nothing behind."""
    site, token = await new_site(running)
    ca = running.parts.authority.ca_pem
    assert "wrong, used already or expired" in await machine.refused(url, write_token(site, bytes(32), ca))
    assert "copy the whole token" in await machine.refused(url, token[:-9])
    assert "no enrolment token" in await machine.refused(url, "open sesame")
    stranger = Authority.found(machine.places.state.parent / "elsewhere", "Another", time.time()).ca_pem
    assert "not the controller that this token is from" in await machine.refused(
        url, write_token(site, bytes(32), stranger)
    )
    await machine.enrol(url, token)
    used = Machine(machine.places.state.parent / "second")
    assert "wrong, used already or expired" in await used.refused(url, token)


async def test_an_address_that_is_no_controllers_is_told_as_what_it_is(running: Running, machine: Machine) -> None:
    _, token = await new_site(running)
    with closed_port() as port:
        assert "cannot be reached" in await machine.refused(f"https://127.0.0.1:{port}", token)
    with speaking_plainly() as port:
        assert "does not speak TLS" in await machine.refused(f"https://127.0.0.1:{port}", token)
    for wrong in ("http://127.0.0.1", "https://", "https://127.0.0.1:port"):
        assert "give it as https://host:port" in await machine.refused(wrong, token)


async def test_an_enrolment_is_given_up_only_when_asked_to(running: Running, machine: Machine, url: str) -> None:
    _, first = await new_site(running)
    site, second = await new_site(running)
    await machine.enrol(url, first)

    assert "add --replace" in await machine.refused(url, second)
    assert (await machine.enrol(url, second, replace=True)).site == site
    assert "wrong, used already" in await machine.refused(url, second, replace=True)
    assert load(machine.configuration).site == site


async def test_an_order_that_overtakes_the_first_catalogue_is_obeyed_all_the_same(
    running: Running, machine: Machine, url: str
) -> None:
    """Nobody can verify it yet: that is no forgery, and the gateway asks for it again once it knows the directors."""
    site, token = await new_site(running)
    await machine.enrol(url, token)
    async with linked(machine) as gateway, running.caller(Role.ADMIN) as admin:
        with pytest.raises(Unavailable, match="before the catalogue"):
            gateway.accept(OrdersEnvelope(b"{}"), 0.0)
        order = {"site": site, "level": "quarantine", "reason": "an intruder"}
        (await admin.post("orders", json=order)).raise_for_status()
        await until(lambda: len(heard(running, site, events.ORDERS_ACCEPTED)) == 1, seconds=30)
    assert heard(running, site, events.ORDERS_REFUSED) == ()


async def test_a_certificate_that_nears_its_end_is_renewed_unasked(
    running: Running, machine: Machine, url: str
) -> None:
    site, token = await new_site(running)
    await machine.enrol(url, token)
    keys, now = IdentityKeys(machine.places.keys), time.time()
    keys.renew(running.parts.authority.gateway(site, keys.csr(site), now - 150 * DAY), site)
    assert keys.is_renewal_due(now)

    async with linked(machine):
        await until(lambda: len(heard(running, site, events.CERTIFICATE_RENEWED)) == 1, seconds=30)
    assert not keys.is_renewal_due(now)
    async with linked(machine):
        await until(lambda: len(heard(running, site, events.AGENT_STARTED)) == 2, seconds=30)


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port of this machine that is kept from others and on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def speaking_plainly() -> Iterator[int]:
    """A server that answers as no TLS server does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as caller:
                caller.recv(4096)
                caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        speaking = threading.Thread(target=answer)
        speaking.start()
        yield server.getsockname()[1]
        speaking.join(10)
