"""A gateway is brought in by its own program, once, or told why not; its certificate renews itself afterwards."""

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from bartizan.ids import SiteId
from bartizan.trust.enrolment import write_token
from bartizan.wire import events
from bartizan_agent import app
from bartizan_agent.enrol import enrol
from bartizan_agent.errors import EnrolmentFailed
from bartizan_agent.gateway import Gateway
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.link import Link
from bartizan_agent.places import Places
from bartizan_agent.settings import Interface, Settings, load
from bartizan_agent.store import open_volatile
from bartizan_agent.tls import client_context
from bartizan_controller.access import Role
from bartizan_controller.authority import Authority
from bartizan_controller.store import events as event_rows
from bartizan_controller.store.events import EventFilter
from tests.controller.running import ORGANISATION, Running, copy_of, run, until
from tests.fakes.memory_firewall import MemoryFirewall

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = 86400.0
NUMBERS = count(1)


class Machine:
    """A gateway's disk."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder / "state")
        self.configuration = folder / "agent.toml"

    async def enrol(self, url: str, token: str, *, replace: bool = False) -> Settings:
        """Do what `bartizan-agent enrol` does."""
        segments = [Interface("cam0")]
        return await asyncio.to_thread(
            enrol, url, token, segments, places=self.places, configuration=self.configuration, replace=replace
        )

    async def refused(self, url: str, token: str, *, replace: bool = False) -> str:
        """Return why enrolment was refused; nothing is changed by it."""
        before = self.content()
        with pytest.raises(EnrolmentFailed) as refusal:
            await self.enrol(url, token, replace=replace)
        assert self.content() == before
        return str(refusal.value)

    def content(self) -> dict[Path, bytes]:
        folder = self.configuration.parent
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
        await until(lambda: heard(running, site, events.AGENT_STARTED) == 1, seconds=30)


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


async def test_a_certificate_that_nears_its_end_is_renewed_unasked(
    running: Running, machine: Machine, url: str
) -> None:
    site, token = await new_site(running)
    await machine.enrol(url, token)
    keys, now = IdentityKeys(machine.places.keys), time.time()
    keys.renew(running.parts.authority.gateway(site, keys.csr(site), now - 150 * DAY), site)
    assert keys.is_renewal_due(now)

    async with linked(machine):
        await until(lambda: heard(running, site, events.CERTIFICATE_RENEWED) == 1, seconds=30)
    assert not keys.is_renewal_due(now)
    async with linked(machine):
        await until(lambda: heard(running, site, events.AGENT_STARTED) == 2, seconds=30)


@contextlib.asynccontextmanager
async def linked(machine: Machine) -> AsyncIterator[Gateway]:
    """Start the agent's state and its link to the controller, without segments to look at."""
    settings, keys = load(machine.configuration), IdentityKeys(machine.places.keys)
    with closing(open_volatile(app.SCHEMAS)) as connection:
        parts = app.build(settings, machine.places, app.Opened(connection), MemoryFirewall())
        gateway = Gateway(parts)
        gateway.start(())
        link = Link(
            settings.controller,
            site=settings.site,
            boot=parts.boot,
            tls=lambda: client_context(keys.ca_file, keys.certificate_file, keys.tls_key_file),
            voice=gateway,
            outbox=parts.outbox,
            news=parts.news,
            clock=parts.clock,
            chance=random.Random(1),
        )
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(link.run())
            yield gateway
            talking.cancel()


async def new_site(running: Running) -> tuple[SiteId, str]:
    """Return a new site and a token for its gateway."""
    site = SiteId(f"place-{next(NUMBERS)}")
    async with running.caller(Role.ADMIN) as admin:
        (await admin.post("sites", json={"id": site, "organisation": ORGANISATION})).raise_for_status()
        answer = (await admin.post(f"sites/{site}/enrolment-token")).raise_for_status()
    return site, answer.json()["token"]


def heard(running: Running, site: SiteId, kind: str) -> int:
    """Return how many events of a kind the controller keeps of a site."""
    wanted = EventFilter(site=site, kind=kind)
    return len(running.parts.database.query(lambda c: event_rows.page(c, wanted, after=0, limit=9)))


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
