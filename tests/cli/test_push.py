"""Policy that goes out in stages, from the command line: what two people sign, and what those who follow it read."""

from collections.abc import Iterator

import pytest

from bartizan.ids import OrganisationId, SiteId
from bartizan.wire.capability import CAPABILITY
from bartizan_controller.store import dialect, gateways, migrate, organisations
from bartizan_controller.store.database import Database
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.store.organisations import Organisation, Site
from tests.cli.people import Person, make_controller, serving

SCHOOL, HALL, OLD, COUNTY = SiteId("school"), SiteId("town-hall"), SiteId("old-mill"), OrganisationId("county")
FIRST, SECOND = "policies/uk-hcws386.yaml", "policies/us-ndaa-889.yaml"
ATTEMPTS = 20  # each takes a program's start


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """An administrator of three sites, whose gateways are away; one of them has an agent of last year."""
    folder = tmp_path_factory.mktemp("push") / "controller"
    make_controller(folder)
    url = dialect.sqlite_url(folder / "controller.db")
    migrate.upgrade(url)
    with Database(url) as database:
        database.change(lambda c: organisations.add_organisation(c, Organisation(COUNTY, "County")))
        for site in (SCHOOL, HALL, OLD):
            capability = 3 if site == OLD else CAPABILITY
            gateway = Gateway(site, certificate="1", sealing_key="s", enrolled_at=0.0, capability=capability)
            database.change(lambda c, site=site: organisations.add_site(c, Site(site, COUNTY, site)))  # type: ignore[misc]
            database.change(lambda c, gateway=gateway: gateways.enrol(c, gateway))  # type: ignore[misc]
    with serving(folder) as somebody:
        yield somebody


def publish(person: Person, *options: str, document: str = SECOND) -> str:
    """Have two people sign and publish a document; return what was said of it."""
    change = person.ask("policy", "sign", document, *options, *person.key(1))["change"]
    person.do("policy", "sign", "--change", change, "--yes", *person.key(2))
    return person.do("policy", "publish", change)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--canary", "nowhere"), 1, "no gateway of the canary 'nowhere' is enrolled"),
        (("--canary", "old-mill"), 1, "too old"),
        (("--wave", "10"), 2, "needs a --canary"),
        (("--canary", "school", "--emergency"), 2, "everywhere at once"),
        (("--canary", "school", "--soak", "soon"), 2, "write 90s, 30m, 24h or 2d"),
        (("--canary", "school", "--deadline", "15d"), 1, "within 14 days"),
        (("--canary", "school", "--wave", "maker: hikvision"), 1, "declared of sites"),
        (("--canary", "school", "--wave", "20", "--wave", "10"), 1, "must rise"),
        (("--canary", "school", "--wave", "site.tg: x"), 2, "site.tg"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anybody_signs(
    person: Person, options: tuple[str, ...], code: int, says: str
) -> None:
    refused = person.run("policy", "sign", SECOND, *options, *person.key(1))

    assert (refused.returncode, says in refused.stderr) == (code, True), refused.stderr
    assert person.ask("policy", "changes") == []


def listed(person: Person, says: str) -> int:
    """Wait until the list says why a push waits, which is found out half a second later; return its exit code."""
    for _ in range(ATTEMPTS):
        found = person.run("push", "list")
        if says in found.stdout:
            return found.returncode
    raise AssertionError(f"{says!r} is never said: {found.stdout}{found.stderr}")


def test_from_signing_to_the_end(person: Person) -> None:
    """In one story, because each step is of the version before."""
    assert "--canary SITE" in person.do("push", "list")
    assert person.run("push", "show", "3").returncode == 1
    publish(person, document=FIRST)

    options = ("--canary", "school", "--wave", "50", "--wave", "site.sensitivity: sensitive", "--soak", "5m")
    change = person.ask("policy", "sign", SECOND, *options, *person.key(1))["change"]
    shown = person.do("policy", "sign", "--change", change, "--yes", *person.key(2))
    assert 'policy/push.json: canary: (nothing) -> ["school"]' in shown
    assert "policy/push.json: soak_seconds: (nothing) -> 300.0" in shown
    said = person.do("policy", "publish", change)
    assert "policy 4 is in force at school first, and everywhere by 20" in said
    assert "bartizan push watch 4" in said

    assert listed(person, "canary: not connected: school") == 0
    stages = {stage["name"]: stage["sites"] for stage in person.ask("push", "show", "4")["intent"]["stages"]}
    assert stages["canary"] == ["school"]
    assert sorted(site for sites in stages.values() for site in sites) == ["old-mill", "school", "town-hall"]
    assert person.run("push", "watch", "4", "--timeout", "0").returncode == 1

    assert "is in force everywhere from" in person.do("push", "pause", "4", "--reason", "lunch")
    assert listed(person, "paused: lunch (admin)") == 1
    assert person.do("push", "resume", "4") == "policy 4 goes on\n"
    aborted = person.do("push", "abort", "4", "--reason", "the wrong text")
    assert "have two people sign the former documents" in aborted
    assert "aborted" in person.run("push", "resume", "4").stderr

    again = person.run("policy", "sign", SECOND, "--emergency", *person.key(1), "--json")
    assert "policy 4, which waits at some sites until" in again.stderr
    person.do("policy", "withdraw", person.ask("policy", "changes")[0]["id"])
    next_one = person.ask("policy", "sign", SECOND, "--canary", "town-hall", *person.key(1))["change"]
    shown = person.do("policy", "sign", "--change", next_one, "--yes", *person.key(2))
    assert "policy/push.json: policy: 4 -> 5" in shown
    assert "policy/push.json: base" not in shown  # sites that still wait for 4 have missed nothing that all had
