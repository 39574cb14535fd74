"""The inventory from the command line, on an estate with a past: filters, views, history, differences, totals."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter
from bartizan.identity.model import Device
from bartizan.ids import Address, BootId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.store import attempts, dialect, migrate, organisations, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.organisations import Organisation, Site
from tests.cli.people import Person, make_controller, serving
from tests.controller.gateway import Gateway, device, report

FEBRUARY, MARCH = 1_769_904_000.0, 1_772_323_200.0  # the first of each, 2026
COUNCIL = OrganisationId("county")
GATE = device(1, addresses=(Address("10.0.0.1"),), vulnerabilities=("CVE-2021-36260",), first_seen=FEBRUARY)
LOBBY = device(2, maker="axis", firmware="11.11.73", first_seen=MARCH)
CALLS_HOME = (DropCounter(GATE.macs[0], Address("203.0.113.9"), "tcp", 443, 12, 720),)
YARD = device(3, maker="", firmware="")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """An administrator of an estate of two sites, one of whose cameras was patched in March."""
    folder = tmp_path_factory.mktemp("estate") / "controller"
    make_controller(folder)
    url = dialect.sqlite_url(folder / "controller.db")
    migrate.upgrade(url)
    with Database(url) as database:
        database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "County")))
        for site in (Site(SiteId("depot"), COUNCIL, "Depot"), Site(SiteId("town-hall"), COUNCIL, "Town hall")):
            database.change(lambda c, site=site: organisations.add_site(c, site))  # type: ignore[misc]
        take(database, "town-hall", (GATE, device(2, maker="axis", firmware="11.11.1")), FEBRUARY + 3600)
        take(database, "town-hall", (GATE, LOBBY), MARCH + 12 * 3600)
        take(database, "depot", (YARD,), FEBRUARY)
        database.change(lambda c: attempts.take(c, SiteId("town-hall"), (GATE,), CALLS_HOME, now=MARCH))
    with serving(folder) as somebody:
        yield somebody


def take(database: Database, site: str, found: tuple[Device, ...], now: float) -> None:
    said = report(Gateway(SiteId(site), Path(), BootId("b")), found, level=Level.ISOLATE)
    seen = inventory.join(said.devices, said.posture)
    database.change(lambda c: reported.replace(c, SiteId(site), COUNCIL, seen, now=now))


def ids(answer: list[dict[str, dict[str, str]]]) -> list[str]:
    return [each["device"]["id"] for each in answer]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["serial:0003", "serial:0001", "serial:0002"]),
        (("--maker", "hikvision", "--maker", "axis"), ["serial:0001", "serial:0002"]),
        (("--maker", "unknown"), ["serial:0003"]),
        (("--jurisdiction", "SE"), ["serial:0002"]),
        (("--vulnerable-to", "CVE-2021-36260", "--level", "isolate"), ["serial:0001"]),
        (("--model", "DS-2CD*", "--site", "depot"), ["serial:0003"]),
        (("--firmware", "11.*"), ["serial:0002"]),
        (("--first-seen-after", "2026-02-15"), ["serial:0002"]),
        (("--text", "10.0.0.1"), ["serial:0001"]),
        (("--where", "not: {maker: axis}", "--organisation", "county"), ["serial:0001"]),
        (("--sort", "-first-seen", "--limit", "2"), ["serial:0002", "serial:0001"]),
    ],
    ids=" ".join,
)
def test_devices_are_listed_by_what_is_known_of_them(
    person: Person, options: tuple[str, ...], expected: list[str]
) -> None:
    assert ids(person.ask("device", "list", *options)) == expected


def test_a_view_is_a_filter_with_a_name(person: Person) -> None:
    """Saved, listed, shown, narrowed, deleted."""
    assert "bartizan view save" in person.do("view", "list")
    assert person.run("view", "save", "nothing").returncode == 2
    person.do("view", "save", "open-cameras", "--vulnerable", "--maker", "hikvision")

    assert "vulnerable true" in person.do("view", "list")
    shown = person.ask("view", "show", "open-cameras")
    assert (ids(shown["devices"]), shown["view"]["query"]) == (
        ["serial:0001"],
        {"maker": ["hikvision"], "vulnerable": True},
    )
    assert ids(person.ask("device", "list", "--view", "open-cameras", "--site", "depot")) == []
    twice = person.run("device", "list", "--view", "open-cameras", "--maker", "axis")
    assert (twice.returncode, "already says which maker" in twice.stderr) == (2, True)
    person.do("view", "delete", "open-cameras")
    assert person.run("view", "show", "open-cameras").returncode == 1


def test_history_tells_what_a_device_ran_on_a_day(person: Person) -> None:
    """A day on which it changed has both; a time has one."""
    ran = {
        at: [each["facts"]["firmware"] for each in person.ask("device", "history", "serial:0002", "--at", at)]
        for at in ("2026-02-28", "2026-03-01", "2026-03-01T11:00Z", "2026-03-02", "2025-12-31")
    }
    assert ran == {
        "2026-02-28": ["11.11.1"],
        "2026-03-01": ["11.11.73", "11.11.1"],
        "2026-03-01T11:00Z": ["11.11.1"],
        "2026-03-02": ["11.11.73"],
        "2025-12-31": [],
    }
    assert "firmware 11.11.73" in person.do("device", "history", "serial:0002")
    assert "Nobody knew" in person.do("device", "history", "serial:0002", "--at", "2025-12-31")
    wrong = person.run("device", "history", "serial:0002", "--at", "in spring")
    assert (wrong.returncode, "write 2024-01-31" in wrong.stderr) == (2, True)


def test_what_a_device_tried_is_told_and_that_it_tried_nothing_is_told_as_such(person: Person) -> None:
    """Nobody is connected here, so that silence is not even taken for silence."""
    told = person.ask("device", "attempts", "10.0.0.1", "--since", "2026-02-15")
    assert (told["outcome"], told["held"][0]["level"]) == ("dropped", "isolate")
    assert [(each["destination"], each["port"], each["packets"]) for each in told["items"]] == [
        ("203.0.113.9", 443, 12)
    ]
    assert "203.0.113.9" in person.do("device", "attempts", "serial:0001", "--since", "2026-02-15")

    later = person.ask("device", "attempts", "serial:0001", "--since", "2026-03-02T00:00Z")
    assert (later["outcome"], later["items"]) == ("not-measured", [])
    assert "its gateway is away" in person.do("device", "attempts", "serial:0001")
    gone = person.run("device", "attempts", "serial:0099", "--site", "depot")
    assert (gone.returncode, "never had" in gone.stderr) == (1, True)
    assert person.run("device", "attempts", "serial:0001", "--since", "a week").returncode == 2


def test_two_dates_are_compared(person: Person) -> None:
    found = person.ask("estate", "diff", "--from", "2026-02-20", "--to", "2026-03-02")
    assert [(each["device"], each["before"]["firmware"], each["after"]["firmware"]) for each in found] == [
        ("serial:0002", "11.11.1", "11.11.73")
    ]
    assert "firmware: 11.11.1 -> 11.11.73" in person.do("estate", "diff", "--from", "2026-02-20")
    assert "Nothing differs" in person.do("estate", "diff", "--from", "2026-03-02")
    assert person.run("estate", "diff", "--from", "2026-03-02", "--to", "2026-02-20").returncode == 2


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("maker", {"": 1, "axis": 1, "hikvision": 1}),
        ("site", {"depot": 1, "town-hall": 2}),
        ("organisation", {"county": 3}),
        ("level", {"isolate": 3}),
        ("vulnerability", {"CVE-2021-36260": 1}),
        ("jurisdiction", {"": 1, "CN": 1, "SE": 1}),
    ],
)
def test_totals_are_kept_by_what_people_ask_about(person: Person, by: str, expected: dict[str, int]) -> None:
    answer = person.ask("estate", "totals", "--by", by)

    assert {each["value"]: each["devices"] for each in answer["items"]} == expected
    assert answer["devices"] == 3


def test_totals_agree_with_counting(person: Person) -> None:
    """Told on the controller's own machine, while it runs."""
    assert "every counter agrees" in person.manage("inventory", "recount", str(person.folder))


def test_a_device_is_shown_with_every_verdict_that_concerns_it(person: Person) -> None:
    """Why it cannot be told, by which rule, since when the flaw is exploited, and how sure the rule is."""
    shown = person.do("device", "show", "serial:0001")
    found = {each["advisory"]: each for each in person.ask("device", "show", "serial:0001")["findings"]}

    assert "CVE-2021-36260 unknown: its build date is unknown, and the rule is a build date (2021-06-25)" in shown
    assert "known exploited since 2022-01-10, due 2022-01-24; graded M" in shown
    assert "CVE-2024-29947" not in shown
    assert found["CVE-2024-29947"]["standing"] == "not-affected"


def test_the_estate_is_held_against_the_catalogue(person: Person) -> None:
    """How many devices are open to what; only what is due by a day, if asked; and the catalogue's own list."""
    assert (
        person.do("advisory", "exposure", "--exploited")
        .splitlines()[1]
        .startswith("1        CVE-2021-36260  hikvision")
    )
    assert person.ask("advisory", "exposure", "--due-before", "2022-01-24") == []
    named = {each["id"] for each in person.ask("advisory", "list")}
    assert named == {each["advisory"] for each in person.ask("advisory", "exposure", "--all")}
    assert "CVE-2017-7921" in named


REGISTER = """site,asset,serial no,ip
town-hall,gate,,10.0.0.1
town-hall,roof,,10.0.0.9
"""


def test_an_asset_list_is_imported_and_reconciled(person: Person, tmp_path: Path) -> None:
    """Tried, taken in, compared, forgotten; a mistake names its line and changes nothing."""
    assert "bartizan estate import" in person.do("estate", "lists")
    file = tmp_path / "Asset register.csv"
    file.write_text(REGISTER, encoding="utf-8")
    tried = person.do("estate", "import", str(file), "--format", "csv", "--dry-run")
    assert "2 assets (2 new, 0 gone); nothing was changed" in tried
    assert person.run("estate", "reconcile").returncode == 1
    person.do("estate", "import", str(file), "--format", "csv")

    shown = person.do("estate", "reconcile")
    assert "asset-register: 2 expected; 1 found, 0 elsewhere, 1 missing, 0 ambiguous, 2 unexpected" in shown
    (gate,) = person.ask("estate", "reconcile", "--result", "found")["items"]
    assert (gate["asset"]["name"], gate["devices"][0]["device"], gate["by"]) == ("gate", "serial:0001", "address")

    file.write_text(f"{REGISTER}nowhere,x,1,\n", encoding="utf-8")
    faulty = person.run("estate", "import", str(file), "--format", "csv")
    assert (faulty.returncode, "line 4: there is no site 'nowhere'" in faulty.stderr) == (2, True)
    assert person.ask("estate", "lists") == [{"name": "asset-register", "assets": 2}]
    person.do("estate", "forget", "asset-register")
    assert person.ask("estate", "lists") == []


def test_netbox_is_another_list(person: Person, tmp_path: Path) -> None:
    file = tmp_path / "netbox.json"
    device_ = {"name": "gate", "site": {"slug": "town-hall"}, "primary_ip": {"address": "10.0.0.1/24"}}
    file.write_text(json.dumps({"count": 1, "next": None, "results": [device_]}), encoding="utf-8")

    imported = person.ask("estate", "import", str(file), "--format", "netbox", "--list", "dcim")
    assert (imported["list"], imported["assets"]) == ("dcim", 1)
    assert person.ask("estate", "reconcile", "--list", "dcim", "--site", "town-hall")["counts"]["found"] == 1
    person.do("estate", "forget", "dcim")


def test_the_inventory_is_exported(person: Person, tmp_path: Path) -> None:
    """To standard output, or to a file that is there only when it is whole."""
    lines = person.do("estate", "export", "--format", "csv", "--maker", "axis").splitlines()
    assert (len(lines), lines[1].split(",")[1]) == (2, "serial:0002")
    file = tmp_path / "bill.json"
    person.do("estate", "export", "--format", "cyclonedx", "--output", str(file))
    assert len(json.loads(file.read_text(encoding="utf-8"))["components"]) == 3
    wrong = person.run("estate", "export", "--format", "json", "--where", "colour: red", "--output", str(file))
    assert (wrong.returncode, "there is no fact 'colour'" in wrong.stderr) == (1, True)
    assert [each.name for each in tmp_path.iterdir()] == ["bill.json"]


def test_a_device_is_explained_with_what_would_release_it(person: Person) -> None:
    """In words for people, whole for programs; what is far from matching is left out unless asked for."""
    shown = person.do("explain", "10.0.0.1")
    assert "device            serial:0001 at town-hall" in shown
    assert "held at           isolate since 2026-02-01 01:00:00" in shown
    assert "not as demanded, watch: has its gateway heard?" in shown
    assert "signed by         approver-1 (" in shown
    assert "to release it     nothing holds it" in shown

    order = person.ask("contain", "10.0.0.1", "--level", "quarantine", "--reason", "drill")["order"]["id"]
    assert f"bartizan release {order} --reason" in person.do("explain", "serial:0001", "--all")
    asked = person.ask("explain", "serial:0001", "--site", "town-hall")
    assert (asked["hold"]["level"], asked["posture"]["enforced"]) == ("quarantine", "isolate")
    person.do("release", order, "--reason", "drill is over")

    nobody = person.run("explain", "10.9.9.9")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "no device is called '10.9.9.9'" in nobody.stderr
