"""What the signed facts of a site permit reaches those who act by it."""

import dataclasses
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, DeviceId, OrganisationId, SiteId
from bartizan.policy.model import Maker, SiteFacts
from bartizan.trust.credentials import Credential
from bartizan.wire import codec, events
from bartizan_agent import app
from bartizan_agent.assignments import Assigned
from bartizan_agent.catalogue import keep_first_root
from bartizan_agent.gateway import Gateway
from bartizan_agent.inventory import Known
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, Settings
from bartizan_agent.store import open_volatile
from tests.fakes.memory_firewall import MemoryFirewall
from tests.trust.estate import NOW, Estate, write_unsynced

SITE = SiteId("school")
SETTINGS = Settings(SITE, ControllerSettings("broker.example", "https://controller.example"), ())
CAMERA = Device(DeviceId("a"), Identity(maker="dahua", kind=Kind.CAMERA), "cam0", addresses=(Address("10.9.0.11"),))


class Work:
    """`CameraWork` that only notes whom it was told to try with a default password."""

    def __init__(self) -> None:
        self.permitted: list[tuple[DeviceId, ...]] = []

    async def run(self) -> None:
        """Nothing is done."""

    def assign(self, assigned: Assigned, *, frozen_because: str) -> None:
        """Nothing is done."""

    def consider(self, readable: Iterable[tuple[Device, Credential]]) -> None:
        """Nothing is done."""

    def check_default_passwords(self, devices: Iterable[Device], *, permitted: bool) -> None:
        """Note whom."""
        self.permitted.append(tuple(device.id for device in devices) if permitted else ())

    def seen_alive(self, device: DeviceId) -> None:
        """Nothing is done."""


@pytest.mark.parametrize(
    ("listed", "permitted"),
    [
        pytest.param(SITE, [("a",), ()], id="this site, then no more"),
        pytest.param(SiteId("town-hall"), [], id="another site"),
    ],
)
def test_a_default_password_is_tried_only_while_the_signed_facts_of_the_site_permit_it(
    tmp_path: Path, listed: SiteId, permitted: list[tuple[DeviceId, ...]]
) -> None:
    estate, work, places = Estate.found(tmp_path / "estate"), Work(), Places(tmp_path / "gateway")
    keep_first_root(places.catalogue, estate.repository.first_root(), write_unsynced)
    with closing(open_volatile(app.SCHEMAS)) as connection:
        connection.execute("INSERT INTO roster VALUES (?, ?)", (CAMERA.id, codec.encode(Known(CAMERA))))
        parts = app.build(SETTINGS, places, app.Opened(connection), MemoryFirewall())
        gateway = Gateway(dataclasses.replace(parts, cameras=lambda _: work))
        for is_on in (True, False):
            publish(estate, SiteFacts(listed, OrganisationId("council"), default_password_check=is_on))
            assert parts.last_good.accept_catalogue(estate.all_files(), NOW)
            gateway.reconcile()

    assert work.permitted == permitted


def test_what_may_not_be_deployed_is_told_once_the_facts_of_the_site_are_known(tmp_path: Path) -> None:
    """Before, nobody knows whether the site is sensitive; nothing is lost by waiting."""
    estate, places = Estate.found(tmp_path / "estate"), Places(tmp_path / "gateway")
    keep_first_root(places.catalogue, estate.repository.first_root(), write_unsynced)
    maker = Maker(id="dahua", name="Dahua", jurisdiction="CN", source="test", subject_to=("law",))
    with closing(open_volatile(app.SCHEMAS)) as connection:
        connection.execute("INSERT INTO roster VALUES (?, ?)", (CAMERA.id, codec.encode(Known(CAMERA))))
        parts = app.build(SETTINGS, places, app.Opened(connection), MemoryFirewall())
        gateway, counts = Gateway(parts), list[int]()
        for site in (SiteId("town-hall"), SITE, SITE):
            publish(estate, SiteFacts(site, OrganisationId("council"), tags=(f"step-{len(counts)}",)), maker)
            assert parts.last_good.accept_catalogue(estate.all_files(), NOW)
            gateway.reconcile()
            head = parts.outbox.head()
            counts.append(sum(each.kind == events.DEPLOYMENT_FORBIDDEN for each in head.events) if head else 0)

    assert counts == [0, 1, 1]


def publish(estate: Estate, facts: SiteFacts, *makers: Maker) -> None:
    """Have two people approve what is declared of the council's sites."""
    add = {f"policy/sites-{facts.organisation}.json": codec.encode((facts,))}
    if makers:
        add["policy/makers.json"] = codec.encode(makers)
    change = estate.repository.propose("policy", add=add, prepared_by=estate.keys.approvers[0].id, now=NOW)
    estate.approve(change, *estate.keys.approvers[:2])
    estate.repository.publish(change, now=NOW)
