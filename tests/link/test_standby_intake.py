"""What the controller keeps of a standby's report: enough to judge it by, and nothing that is listed or counted."""

from pathlib import Path

import msgspec
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.ids import BootId, OrganisationId, SiteId
from bartizan.wire import codec, topics
from bartizan_controller.link.intake import commit
from bartizan_controller.link.parse import parse
from bartizan_controller.store import counters, devices, gateways, organisations, standbys
from bartizan_controller.store.database import Database
from bartizan_controller.store.devices import Filter
from bartizan_controller.store.gateways import Gateway as EnrolledGateway
from bartizan_controller.store.organisations import Organisation, Site
from tests.controller.gateway import Gateway, device, report
from tests.controller.test_attempts import Empty, nobody

HALL, STANDBY, COUNCIL = SiteId("hall"), SiteId("hall-b"), OrganisationId("council")
DEVICES = (device(1), device(2))


class Paired(Empty):
    """The catalogue of an estate with one standby."""

    def serves(self, gateway: SiteId) -> SiteId:
        return HALL if gateway == STANDBY else gateway


def prepare(connection: Connection) -> None:
    organisations.add_organisation(connection, Organisation(COUNCIL, "Council"))
    organisations.add_site(connection, Site(STANDBY, COUNCIL, STANDBY))
    gateways.enrol(connection, EnrolledGateway(STANDBY, "01", "", 0.0))


def take(database: Database, folder: Path, catalogue: Empty, *, policy: int) -> None:
    """Take a report of the standby that says the same of its devices, whatever policy it goes by."""
    plain = report(Gateway(STANDBY, folder, BootId("b")), DEVICES, level=Level.ISOLATE)
    posture = msgspec.structs.replace(plain.posture, policy=policy)
    digest = codec.report_digest(plain.devices, posture)
    payload = codec.encode(msgspec.structs.replace(plain, posture=posture, digest=digest))
    said = parse(topics.up(STANDBY, "report"), payload)
    database.change(lambda c: commit(c, [said], catalogue=catalogue, renew=nobody, now=50.0))


def test_all_of_a_standbys_devices_are_kept_to_be_judged_and_none_is_listed(database: Database, tmp_path: Path) -> None:
    """Though it told of them before, octet by octet the same, when it was the gateway of a site of its own."""
    database.change(prepare)
    take(database, tmp_path, Empty(), policy=1)
    assert len(database.query(lambda c: devices.page(c, Filter(site=STANDBY), limit=9))) == len(DEVICES)
    assert database.query(lambda c: standbys.load(c, STANDBY)) is None

    for policy in (2, 3):
        take(database, tmp_path, Paired(), policy=policy)
        held = database.query(lambda c: standbys.load(c, STANDBY)) or ()
        assert [each.device.id for each in held] == [each.id for each in DEVICES]
        assert [each.posture.enforced for each in held if each.posture] == [Level.ISOLATE] * len(DEVICES)
        assert database.query(lambda c: devices.page(c, Filter(site=STANDBY), limit=9)) == ()
    counted = database.query(lambda c: counters.counted(c, [counters.of_site(STANDBY)]))
    assert counted.get("devices", {}).get("", 0) == 0
