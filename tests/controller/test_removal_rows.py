"""Days of removal in the database: sites by their day, those last where nothing is seen any more."""

from pathlib import Path

import msgspec

from bartizan.ids import BootId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.store import organisations, removals, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.organisations import Organisation, Site
from bartizan_controller.store.removals import SiteRemoval
from tests.controller.gateway import Gateway, device, report

COUNCIL = OrganisationId("council")
THERE, GONE = device(1), device(2, lost=True)


def test_sites_are_listed_by_what_remains_and_when(database: Database) -> None:
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "Council")))
    for name, day_of_there, day_of_gone in (("hall", 50.0, 10.0), ("school", 20.0, None), ("yard", None, 5.0)):
        site = SiteId(name)
        said = report(Gateway(site, Path(), BootId("b")), (THERE, GONE))
        days = (day_of_there, day_of_gone)
        held = tuple(
            msgspec.structs.replace(posture, remove_by=day)
            for posture, day in zip(said.posture.devices, days, strict=True)
        )
        seen = inventory.join(said.devices, msgspec.structs.replace(said.posture, devices=held))
        database.change(lambda c, site=site: organisations.add_site(c, Site(site, COUNCIL, site)))  # type: ignore[misc]
        database.change(lambda c, site=site, seen=seen: reported.replace(c, site, COUNCIL, seen, now=1.0))  # type: ignore[misc]

    assert database.query(lambda c: removals.by_site(c, frozenset({COUNCIL}), now=30.0)) == (
        SiteRemoval(SiteId("school"), COUNCIL, due_at=20.0, remaining=1, overdue=1, unseen=0),
        SiteRemoval(SiteId("hall"), COUNCIL, due_at=50.0, remaining=1, overdue=0, unseen=1),
        SiteRemoval(SiteId("yard"), COUNCIL, due_at=5.0, remaining=0, overdue=0, unseen=1),
    )
    listed = database.query(lambda c: removals.at_site(c, SiteId("hall"), now=60.0))
    assert [(each.device, each.overdue, each.unseen) for each in listed] == [
        (THERE.id, True, False),
        (GONE.id, False, True),
    ]
