"""A recorder and the cameras behind it, from the gateway's report to `bartizan device show`."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.identity.model import Identity, Kind, RecorderChannel
from bartizan.ids import Address, BootId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.preview.estate import seen_sites
from bartizan_controller.store import dialect, migrate, organisations, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.organisations import Organisation, Site
from tests.cli.people import Person, make_controller, serving
from tests.controller.gateway import Gateway, device, report

COUNCIL, DEPOT, YARD = OrganisationId("county"), SiteId("depot"), SiteId("yard")
CAMERA, OTHER = device(1, addresses=(Address("10.0.0.1"),)), device(2)
RECORDER = msgspec.structs.replace(
    device(9),
    identity=Identity(maker="dahua", kind=Kind.RECORDER),
    channels=(
        RecorderChannel(1, CAMERA.id, "serial", Address("10.0.0.1"), "5A04B5FPAG00001"),
        RecorderChannel(2, "", "", Address("192.168.254.3")),
        RecorderChannel(3),
        RecorderChannel(4, CAMERA.id, "MAC", "", "", "3c:ef:8c:00:00:01"),
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A controller with a site whose recorder told its channels, and one that has a camera of the same name."""
    path = tmp_path_factory.mktemp("recorders") / "controller"
    make_controller(path)
    migrate.upgrade(dialect.sqlite_url(path / "controller.db"))
    with Database(dialect.sqlite_url(path / "controller.db")) as database:
        database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "County")))
        for site, there in ((DEPOT, (CAMERA, OTHER, RECORDER)), (YARD, (CAMERA,))):
            database.change(lambda c, site=site: organisations.add_site(c, Site(site, COUNCIL, "")))  # type: ignore[misc]
            said = report(Gateway(site, Path(), BootId("b")), there, level=Level.ISOLATE)
            seen = inventory.join(said.devices, said.posture)
            database.change(lambda c, site=site, seen=seen: reported.replace(c, site, COUNCIL, seen, now=1.0))  # type: ignore[misc]
    return path


@pytest.fixture(scope="module")
def person(folder: Path) -> Iterator[Person]:
    with serving(folder) as somebody:
        yield somebody


def test_a_recorder_is_shown_with_what_is_behind_each_channel(person: Person) -> None:
    shown = [line.strip() for line in person.do("device", "show", RECORDER.id).splitlines()]
    channels = person.ask("device", "show", RECORDER.id)["state"]["device"]["channels"]

    assert "records           channel 1  serial:0001  (by its serial; 10.0.0.1, 5A04B5FPAG00001)" in shown
    assert "channel 2  unknown camera  192.168.254.3" in shown
    assert "channel 3  unknown camera  of which nothing is said" in shown
    assert "channel 4  serial:0001  (by its MAC; 3c:ef:8c:00:00:01)" in shown
    assert [(each["number"], each.get("camera", ""), each.get("tied_by", "")) for each in channels] == [
        (1, "serial:0001", "serial"),
        (2, "", ""),
        (3, "", ""),
        (4, "serial:0001", "MAC"),
    ]


def test_a_camera_is_shown_with_who_records_it_at_its_own_site(person: Person) -> None:
    here = person.ask("device", "show", CAMERA.id, "--site", DEPOT)["recorded_by"]
    there = person.ask("device", "show", CAMERA.id, "--site", YARD)["recorded_by"]

    assert here == [{"recorder": RECORDER.id, "channels": [1, 4]}]
    assert (there, person.ask("device", "show", OTHER.id)["recorded_by"]) == ([], [])
    assert f"{RECORDER.id}  channel 1, 4" in person.do("device", "show", CAMERA.id, "--site", DEPOT)


def test_a_preview_goes_by_what_the_report_says_of_channels(folder: Path) -> None:
    """Events tell it too, but are forgotten in time; a report is state."""
    with Database(dialect.sqlite_url(folder / "controller.db")) as database:
        sites = database.query(lambda c: {site.id: site.channels for site in seen_sites(c, None)})

    assert sites == {DEPOT: {RECORDER.id: (CAMERA.id,)}, YARD: {}}
