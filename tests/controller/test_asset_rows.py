"""Asset lists in the database: which devices have a name in common with an asset, and which nobody expects."""

from pathlib import Path

import msgspec

from bartizan.ids import Address, BootId, DeviceId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.assets.model import Asset
from bartizan_controller.assets.reconcile import Key
from bartizan_controller.store import assets, organisations, reported
from bartizan_controller.store.assets import HeldList, Wanted
from bartizan_controller.store.database import Database
from bartizan_controller.store.organisations import Organisation, Site
from tests.controller.gateway import Gateway, device, report

COUNCIL, NORTH = OrganisationId("council"), SiteId("north")
EXPECTED = (
    Asset(NORTH, 2, name="gate", mac="00:00:5E:00:53:01"),
    Asset(NORTH, 3, name="lobby", address="10.0.0.2", serial="another"),
    Asset(NORTH, 4, name="roof", address="10.0.0.9"),
)


def test_assets_find_devices_by_name_and_the_rest_is_unexpected(database: Database) -> None:
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "Council")))
    database.change(lambda c: organisations.add_site(c, Site(NORTH, COUNCIL, "North")))
    lobby = device(2, addresses=(Address("10.0.0.2"),))
    lobby = msgspec.structs.replace(lobby, identity=msgspec.structs.replace(lobby.identity, serial="0002"))
    said = report(Gateway(NORTH, Path(), BootId("b")), (device(1), lobby, device(3), device(4, lost=True)))
    seen = inventory.join(said.devices, said.posture)
    database.change(lambda c: reported.replace(c, NORTH, COUNCIL, seen, now=1.0))
    database.change(lambda c: assets.replace(c, "cad", None, EXPECTED))

    scope = Wanted(scope=frozenset({COUNCIL}), list="cad", site=NORTH)
    assert database.query(lambda c: assets.lists(c, None)) == (HeldList("cad", 3),)
    assert database.query(lambda c: assets.load(c, scope)) == EXPECTED
    found = database.query(lambda c: assets.candidates(c, scope, EXPECTED))
    assert {(each.asset, each.device.device, each.by, each.contradicted) for each in found} == {
        (0, DeviceId("serial:0001"), Key.MAC, False),
        (1, DeviceId("serial:0002"), Key.ADDRESS, True),
    }
    claimed = {(each.device.site, each.device.device) for each in found}
    total, rest = database.query(lambda c: assets.unexpected(c, scope, claimed, limit=5))
    assert (total, [each.device for each in rest]) == (1, ["serial:0003"])
    assert database.change(lambda c: assets.forget(c, "cad", frozenset({COUNCIL}))) == 3
