"""Releases by hand, and their review, from the command line."""

from collections.abc import Iterator

import pytest

from bartizan.ids import BootId, OrganisationId, SiteId
from bartizan.wire.events import CONTAINMENT_RELEASED
from bartizan_controller.store import dialect, events, migrate, organisations
from bartizan_controller.store.database import Database
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.organisations import Organisation, Site
from tests.cli.people import Person, make_controller, serving

SCHOOL, COUNTY = SiteId("school"), OrganisationId("county")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """An administrator, to whose controller a gateway told of one release."""
    folder = tmp_path_factory.mktemp("glass") / "controller"
    make_controller(folder)
    url = dialect.sqlite_url(folder / "controller.db")
    migrate.upgrade(url)
    detail = {"by": "the duty engineer", "reason": "no pictures", "until": "4600"}
    released = RecordedEvent(SCHOOL, 1000.0, 1000.0, CONTAINMENT_RELEASED, detail, boot=BootId("b"), sequence=1)
    with Database(url) as database:
        database.change(lambda c: organisations.add_organisation(c, Organisation(COUNTY, "County")))
        database.change(lambda c: organisations.add_site(c, Site(SCHOOL, COUNTY, "School")))
        database.change(lambda c: events.add(c, [released]))
    with serving(folder) as somebody:
        yield somebody


def test_a_release_waits_until_it_is_reviewed(person: Person) -> None:
    """It is listed with who and why, counted in the status, and still there with its finding afterwards."""
    [waiting] = person.ask("break-glass", "list")
    assert (waiting["site"], waiting["by"], waiting["held_again_at"]) == ("school", "the duty engineer", None)
    shown = person.do("break-glass", "list")
    assert "no pictures" in shown
    assert "not yet" in shown
    assert "1 wait for a review" in person.do("status")

    number = str(waiting["number"])
    assert "school is reviewed" in person.do("break-glass", "review", number, "--finding", "right")
    assert person.run("break-glass", "review", number, "--finding", "wrong").returncode == 1

    assert "No release by hand waits" in person.do("break-glass", "list")
    [reviewed] = person.ask("break-glass", "list", "--all")
    assert reviewed["finding"] == "right"
