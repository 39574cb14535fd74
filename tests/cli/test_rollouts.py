"""Firmware and its rollouts from the command line: vetted by two people, previewed, begun, followed, stopped."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from bartizan.ids import BootId, DeviceId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.store import dialect, migrate, organisations, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.organisations import Organisation, Site
from bartizan_lab.cameras.images import HikvisionImage
from tests.cli.people import Person, make_controller, serving
from tests.controller.gateway import Gateway, device, report

COUNTY = OrganisationId("county")
GATE = SiteId("gate")
CAMERAS = tuple(device(number, firmware="V5.5.0 build 180326") for number in range(1, 4))
OTHER = device(4, maker="axis", firmware="11.11.73")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """An administrator of a site of three cameras that an image suits and one of another maker, its gateway away."""
    folder = tmp_path_factory.mktemp("rollouts") / "controller"
    make_controller(folder)
    url = dialect.sqlite_url(folder / "controller.db")
    migrate.upgrade(url)
    with Database(url) as database:
        database.change(lambda c: organisations.add_organisation(c, Organisation(COUNTY, "County")))
        database.change(lambda c: organisations.add_site(c, Site(GATE, COUNTY, "Gate")))
        said = report(Gateway(GATE, Path(), BootId("b")), (*CAMERAS, OTHER))
        seen = inventory.join(said.devices, said.posture)
        database.change(lambda c: reported.replace(c, GATE, COUNTY, seen, now=1.0))
    with serving(folder) as somebody:
        vet(somebody)
        yield somebody


def vet(person: Person) -> None:
    """Add an image and have a second person approve it."""
    file = person.folder.with_name("digicap.dav")
    file.write_bytes(HikvisionImage("G5", "V5.7.18", date(2024, 8, 26)).pack(1 << 16))
    facts = ("--maker", "hikvision", "--model", "DS-2CD2042WD-I", "--version", "V5.7.18", "--build-date", "2024-08-26")
    added = person.ask("firmware", "add", str(file), *facts, "--source", "made by the lab", *person.key(1))
    alone = person.run("policy", "publish", added["change"])
    assert (alone.returncode, "1 of 2 signatures" in alone.stderr) == (1, True)
    person.do("firmware", "approve", added["change"], "--yes", *person.key(2))


def test_what_is_vetted_is_listed(person: Person) -> None:
    (image,) = person.ask("firmware", "list")
    assert (image["file_name"], image["version"]) == ("digicap.dav", "V5.7.18")
    assert "digicap.dav" in person.do("firmware", "list")


def test_a_preview_begins_nothing(person: Person) -> None:
    """It names what is left out and why, and takes every limit that can be set."""
    limits = ("--waves", "34,100", "--failures", "20", "--successes", "80", "--minimum-sample", "2", "--per-site", "2")
    times = ("--soak-minutes", "30", "--silence-minutes", "90")
    choice = person.ask("rollout", "start", "spring", "--image", "digicap.dav", *limits, *times, "--dry-run")

    assert choice["intent"]["limits"] == {
        "success_percent": 80,
        "failure_percent": 20,
        "minimum_sample": 2,
        "soak_seconds": 1800.0,
        "per_site": 2,
        "silence_seconds": 5400.0,
    }
    assert [len(wave["targets"]) for wave in choice["intent"]["waves"]] == [2, 1]
    assert list(choice["left_out"]) == [OTHER.id]
    assert choice["left_out"][OTHER.id][0] == "the image is for hikvision, the device was made by axis"
    assert person.ask("rollout", "list") == []


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--waves", "ten"), 2, "--waves takes percentages"),
        (("--waves", "50,20,100"), 2, "wave"),
        (("--minimum-sample", "0"), 2, "at least one device per site and sample"),
        (("--device", "serial:0004"), 2, "suits none of the 1 devices"),
        (("--site", "nowhere"), 2, "check the site names"),
        (("--image", "other.dav"), 1, "there are: digicap.dav"),
    ],
)
def test_what_cannot_be_begun_is_refused(person: Person, options: tuple[str, ...], code: int, says: str) -> None:
    done = person.run("rollout", "start", "spring", "--image", "digicap.dav", *options)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_a_rollout_is_begun_stopped_and_ended(person: Person) -> None:
    """Each command says what came of it; `watch` ends with 0 only where a rollout finished."""
    begun = person.do("rollout", "start", "summer", "--image", "digicap.dav", "--waves", "50,100")
    assert begun.splitlines()[0].startswith(f"left out: {OTHER.id}: ")
    assert "summer" in person.do("rollout", "list")
    twice = person.run("rollout", "start", "summer", "--image", "digicap.dav")
    assert (twice.returncode, "summer" in twice.stderr) == (1, True)
    waiting = person.run("rollout", "watch", "summer", "--timeout", "0")
    assert waiting.returncode == 1
    assert "not over after 0 s: summer is running" in waiting.stderr

    assert person.do("rollout", "pause", "summer", "--reason", "school holidays") == "summer is paused\n"
    assert "school holidays" in person.do("rollout", "show", "summer")
    stopped = person.run("rollout", "watch", "summer")
    assert (stopped.returncode, "summer is paused" in stopped.stdout) == (1, True)
    assert person.do("rollout", "resume", "summer") == "summer goes on\n"
    assert person.do("rollout", "abort", "summer", "--reason", "another image is out") == "summer is aborted\n"
    assert person.ask("rollout", "show", "summer")["intent"]["state"] == "aborted"
    for command in (("pause", "summer", "--reason", "x"), ("resume", "summer"), ("abort", "summer", "--reason", "x")):
        over = person.run("rollout", *command)
        assert (over.returncode, over.stdout) == (1, "")
        assert "aborted" in over.stderr


def test_a_rollout_of_one_device(person: Person) -> None:
    only = DeviceId("serial:0002")
    begun = person.ask("rollout", "start", "one", "--image", "digicap.dav", "--device", only, "--dry-run")
    targets = [target["device"] for wave in begun["intent"]["waves"] for target in wave["targets"]]
    assert targets == [only]
