"""`bartizan site list` on an estate of more sites than one page of the API holds."""

import contextlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from bartizan.cli.connection import Controller, Profile, load_profile
from bartizan.cli.inventory import list_sites
from bartizan.cli.terminal import Terminal
from bartizan.containment.level import Level
from bartizan.ids import BootId, OrganisationId, SiteId
from bartizan.wire.up import SelfTest
from bartizan_controller import inventory
from bartizan_controller.store import dialect, gateways, migrate, organisations, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.organisations import Organisation, Site
from tests.cli.people import Person, make_controller, serving
from tests.controller.gateway import Gateway, device, report

T = TypeVar("T")

COUNTY, SCHOOLS = OrganisationId("county"), OrganisationId("schools")
SITES = tuple(SiteId(f"site-{number:04d}") for number in range(1, 1202))
"""The API gives 1,000 at a time."""
SCHOOL_SITES = SITES[::100]
"""Are schools, with three cameras each, one of which was not judged yet."""
TAKEN = 1_769_904_000.0
LEAKY = SCHOOL_SITES[1]
GONE = "interface cam0 is gone: if it is there under a name unknown here, nobody holds what is plugged into it"
GOT_OUT = SelfTest(
    TAKEN,
    "not-blocked",
    "0123456789abcdef",
    "change",
    proven=("cam0 at isolate: IPv4",),
    failed=("cam0 at isolate: IPv6: packets left by up0, from 2001:db8::1 to 2001:db8:ba57:12a::1",),
)


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """An administrator of a county with 1,201 sites, 13 of them schools with a gateway that has reported."""
    folder = tmp_path_factory.mktemp("estate") / "controller"
    make_controller(folder)
    url = dialect.sqlite_url(folder / "controller.db")
    migrate.upgrade(url)
    with Database(url) as database:
        database.change(lambda c: organisations.add_organisation(c, Organisation(COUNTY, "County")))
        database.change(lambda c: organisations.add_organisation(c, Organisation(SCHOOLS, "Schools", COUNTY)))
        database.change(make_sites)
        for site in SCHOOL_SITES:
            report_of(database, site)
    with serving(folder) as somebody:
        yield somebody


def make_sites(connection: Connection) -> None:
    """Make them all, in one transaction."""
    for site in SITES:
        owner = SCHOOLS if site in SCHOOL_SITES else COUNTY
        organisations.add_site(connection, Site(site, owner, site))


def report_of(database: Database, site: SiteId) -> None:
    """Keep that a gateway was enrolled, and what it measured."""
    held = report(Gateway(site, Path(), BootId("b")), (device(1), device(2)), level=Level.ISOLATE, taken_at=TAKEN)
    if site == LEAKY:
        held = replace(held, posture=replace(held.posture, self_test=GOT_OUT, disk_full=True, segments_gone=(GONE,)))
    seen = inventory.join(held.devices, held.posture)
    unjudged = {each.id: inventory.SeenDevice(each) for each in (device(3),)}
    capability = 4 if site == LEAKY else 3
    database.change(lambda c: gateways.enrol(c, gateways.Gateway(site, "1", "", TAKEN, capability=capability)))
    database.change(lambda c: gateways.save_reports(c, [held], now=TAKEN))
    database.change(lambda c: reported.replace(c, site, SCHOOLS, {**seen, **unjudged}, now=TAKEN))


class Counting(Controller):
    """A controller that is asked as ever, and each time is kept."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self.asked: list[str] = []

    def get(self, path: str, kind: type[T], /, **parameters: Any) -> T:
        """Ask."""
        self.asked.append(path)
        return super().get(path, kind, **parameters)


def test_a_thousand_sites_are_listed_with_one_request(
    person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many gateways and devices there are: asked once per site, an estate's list would take minutes."""
    monkeypatch.setenv("BARTIZAN_PROFILE", str(person.profile))
    with contextlib.closing(Counting(load_profile())) as controller:
        inspect.unwrap(list_sites.callback)(Terminal(as_json=True), controller, None, segments_gone=False)  # type: ignore[arg-type]

    assert [each["id"] for each in json.loads(capsys.readouterr().out)] == list(SITES)
    assert controller.asked == ["sites", "sites"]


def test_the_list_says_how_each_gateway_is(person: Person) -> None:
    """One that was enrolled and has reported, one that was not; devices, and how many are held as wanted."""
    lines = {line.split()[0]: line for line in person.do("site", "list").splitlines()[1:]}
    assert len(lines) == len(SITES)
    assert re.fullmatch(r"site-0001 +schools +away +3 +2 of 3 +\d+ s ago +never *", lines["site-0001"])
    assert re.fullmatch(r"site-0002 +county +none enrolled +0 +0 of 0 +never +never *", lines["site-0002"])
    assert re.search(r" s ago +1 GONE +GOT OUT 2026-02-01 00:00:00$", lines[LEAKY])


def test_sites_whose_camera_segments_are_gone_are_found_among_all(person: Person) -> None:
    [found] = person.ask("site", "list", "--segments-gone")
    assert (found["id"], found["segments_gone"]) == (LEAKY, [GONE])
    assert len(person.do("site", "list", "--segments-gone").splitlines()) == 2
    in_schools = person.ask("site", "list", "--segments-gone", "--organisation", "schools")
    assert [each["id"] for each in in_schools] == [LEAKY]
    whole = person.ask("site", "list")
    assert [each["id"] for each in whole if each["segments_gone"]] == [LEAKY]


def test_sites_are_listed_of_an_organisation_and_those_below_it(person: Person) -> None:
    """As the help says; an organisation that does not exist is no empty list."""
    assert [each["id"] for each in person.ask("site", "list", "--organisation", "schools")] == list(SCHOOL_SITES)
    assert len(person.ask("site", "list", "--organisation", "county")) == len(SITES)
    unknown = person.run("site", "list", "--organisation", "scools")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no organisation 'scools'" in unknown.stderr


def test_a_site_is_shown_with_what_it_lacks(person: Person) -> None:
    site = SCHOOL_SITES[0]

    shown = person.do("site", "show", site)

    lines = {line[:18].strip(): line[18:].strip() for line in shown.splitlines() if line[:1] != " "}
    assert lines["site"] == site
    assert lines["organisation"] == "schools"
    assert lines["gateway"].startswith("away, last heard ")
    assert lines["devices"] == "3, 2 held as wanted"
    assert lines["levels"] == "not measured 1, isolate 2"
    assert lines["not as wanted"] == "serial:0003: nothing, wanted nothing: not enforced yet"
    said = person.ask("site", "show", site)
    assert said["posture"]["catalogue"] == {"root": 1}
    lacked = sorted(f"{role} {version}" for role, version in said["catalogue"].items() if role != "root")
    assert len(lacked) >= 3
    assert f"lacks {', '.join(lacked)}\n" in shown
    assert (said["id"], said["site"], said["counts"]["agrees"]) == (site, site, {"false": 1, "true": 2})


def test_what_got_out_of_a_site_is_shown_with_its_way_out(person: Person) -> None:
    shown = person.do("site", "show", LEAKY)

    assert "self-test         GOT OUT 2026-02-01 00:00:00 (what is enforced had changed), ruleset 0123456789ab" in shown
    assert "GOT OUT: cam0 at isolate: IPv6: packets left by up0" in shown
    assert "blocked: cam0 at isolate: IPv4" in shown
    assert "disk              full: it enforces and obeys" in shown
    assert f"segments          {GONE}" in shown
    assert "self-test         never" in person.do("site", "show", SCHOOL_SITES[0])


def test_a_self_test_is_asked_for_of_whoever_understands_it(person: Person) -> None:
    """One order stands at a time. A gateway that is away does not answer, and one too old is not asked."""
    asked = [person.ask("site", "self-test", LEAKY, "--wait", "0")["id"] for _ in range(2)]
    standing = [each["order"] for each in person.ask("order", "list", "--site", LEAKY)]
    assert standing == [{"type": "prove", "id": asked[1]}]

    waited = person.run("site", "self-test", LEAKY, "--wait", "1")
    assert (waited.returncode, waited.stdout) == (1, "")
    assert "has not answered within 1 s" in waited.stderr
    refused = person.run("site", "self-test", SCHOOL_SITES[0])
    assert refused.returncode == 1
    assert "too old for self-tests" in refused.stderr
    assert person.run("site", "self-test", SITES[1]).returncode == 1


def test_a_site_without_a_gateway_says_how_to_enrol_one(person: Person) -> None:
    shown = person.do("site", "show", SITES[1])

    assert f"bartizan site token {SITES[1]}" in shown
    assert "measured          never: it has not reported" in shown


def test_a_site_that_is_none_is_said_to_be_none(person: Person) -> None:
    refused = person.run("site", "show", "nowhere")

    assert refused.returncode == 1
    assert "nowhere" in refused.stderr
