"""The `bartizan` command against a real controller: what people type, what they read, and what scripts can rely on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.people import Person, make_controller, serving


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """An administrator who has logged in to a running controller."""
    folder = tmp_path_factory.mktemp("estate") / "controller"
    make_controller(folder)
    with serving(folder) as somebody:
        yield somebody


POLICY = "policies/uk-hcws386.yaml"


def test_empty_lists_say_what_to_do_next(person: Person) -> None:
    """Nobody is left before an empty screen."""
    assert "bartizan site add" in person.do("site", "list")
    assert "No device was reported yet" in person.do("device", "list")
    assert "bartizan rollout start" in person.do("rollout", "list")
    assert "bartizan firmware add" in person.do("firmware", "list")
    assert "bartizan policy sign" in person.do("policy", "changes")
    assert person.do("order", "list") == "No order stands.\n"


def test_json_is_one_document_and_nothing_else(person: Person) -> None:
    """Every list can be read by a program, empty ones too."""
    for command in ("site", "device", "event", "rollout", "firmware", "order"):
        assert person.ask(command, "list") == []


def test_the_audit_chain_can_be_read(person: Person) -> None:
    """Every entry, oldest first; from any number on."""
    entries = person.ask("audit", "list")

    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    assert "token.issue" in {entry["action"] for entry in entries}
    assert "init" in person.do("audit", "list")
    assert "Nothing was changed" in person.do("audit", "list", "--after", "100000")


def test_two_people_publish_a_policy(person: Person) -> None:
    """One signature is refused with what is missing; two are published, and the catalogue holds the policy."""
    change = person.ask("policy", "sign", POLICY, *person.key(1))["change"]
    alone = person.run("policy", "publish", change)
    assert alone.returncode == 1
    assert "1 of 2 signatures; needs a second person's" in alone.stderr

    again = person.run("policy", "sign", "--change", change, "--yes", *person.key(1))
    assert "1 of 2 signatures" in again.stdout
    shown = person.do("policy", "sign", "--change", change, "--yes", *person.key(2))
    assert "rules[sensitive-sites].contain: (nothing) -> isolate" in shown
    assert "policy 3" in person.do("policy", "publish", change)
    assert person.ask("policy", "changes") == []

    assert [each["policy"]["id"] for each in person.ask("policy", "list")] == ["uk-hcws386"]
    assert "rule sensitive-sites" in person.do("policy", "show", "uk-hcws386")
    unknown = person.run("policy", "show", "uk-hcws387")
    assert unknown.returncode == 1
    assert "published: uk-hcws386" in unknown.stderr


def test_a_change_can_be_taken_back_before_it_is_published(person: Person) -> None:
    """Withdrawing forgets it, and an unknown change is said so."""
    change = person.ask("policy", "sign", "policies/us-ndaa-889.yaml", *person.key(1))["change"]
    person.do("policy", "withdraw", change)

    assert person.ask("policy", "changes") == []
    assert person.run("policy", "publish", change).returncode == 1


def test_a_key_that_counts_for_nothing_is_refused(person: Person) -> None:
    """A targets key does not approve policy."""
    key = f"{person.folder}-offline-keys/targets-1.pem"
    done = person.run("policy", "sign", POLICY, "--key", key)

    assert done.returncode == 1
    assert "does not count for the policy role" in done.stderr


def test_orders_are_given_and_taken_back(person: Person) -> None:
    """An order needs a target and a reason; a release names what ended."""
    person.do("site", "add", "town-hall", "--organisation", "county")
    order = person.ask("contain", "town-hall", "--level", "quarantine", "--reason", "drill")["order"]["id"]
    assert [each["order"]["id"] for each in person.ask("order", "list")] == [order]

    person.do("release", order, "--reason", "drill is over")
    assert person.ask("order", "list") == []
    twice = person.run("release", order, "--reason", "again")
    assert twice.returncode == 1
    assert "was ended by admin: drill is over" in twice.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("contain", "nowhere", "--level", "isolate", "--reason", "x"), 2, "neither a site nor a device"),
        (("contain", "--level", "isolate", "--reason", "x"), 2, "say whom the order concerns"),
        (("contain", "x", "--level", "watch", "--reason", "x"), 2, "is not one of"),
        (("contain", "--estate", "--level", "isolate", "--reason", " "), 2, "an order needs a reason"),
        (("contain", "--selector", "colour: red", "--level", "isolate", "--reason", "x"), 1, "colour"),
        (("device", "show", "10.0.0.1"), 1, "no device is called '10.0.0.1'"),
        (("rollout", "show", "spring"), 1, "there is no rollout 'spring'"),
        (("rollout", "start", "spring", "--image", "x"), 1, "is not one vetted image"),
        (("site", "token", "nowhere"), 1, "nowhere"),
        (("policy", "sign", "--key", "missing.pem"), 2, "give documents to propose, or --change"),
        (("policy", "sign", POLICY, "--key", "missing.pem"), 2, "missing.pem cannot be read"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(person: Person, arguments: tuple[str, ...], code: int, says: str) -> None:
    """One line on standard error, an exit code that scripts can use, and nothing on standard output."""
    done = person.run(*arguments)

    assert says in done.stderr
    assert done.returncode == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_firmware_that_is_obviously_none_is_refused_before_it_is_sent(person: Person, tmp_path: Path) -> None:
    """A PDF is no digicap.dav, an unreadable file is said so."""
    wrong = tmp_path / "digicap.dav"
    wrong.write_bytes(b"%PDF-1.7 release notes")
    facts = ("--maker", "hikvision", "--model", "DS-*", "--version", "V5.7.18", "--source", "vendor")
    done = person.run("firmware", "add", str(wrong), *facts, *person.key(1))

    assert done.returncode == 1
    assert "a PDF document" in done.stderr


def test_without_a_controller_the_exit_code_says_so(person: Person, tmp_path: Path) -> None:
    """3: not reached. 2: nobody has logged in. 4: not allowed."""
    text = person.profile.read_text(encoding="utf-8")
    elsewhere = tmp_path / "profile.toml"
    stranger = Person(elsewhere, person.folder)
    assert stranger.run("status").returncode == 2

    elsewhere.write_text(text.replace("127.0.0.1:", "127.0.0.1:1"), encoding="utf-8")
    assert stranger.run("status").returncode == 3

    token = tmp_path / "token"
    token.write_text("bzt_00000000_aaaa", encoding="utf-8")
    elsewhere.write_text(
        "\n".join(f'token_file = "{token}"' if "token_file" in line else line for line in text.splitlines()),
        encoding="utf-8",
    )
    assert stranger.run("status").returncode == 4
