"""The `bartizan` command against a real controller: what people type, what they read, and what scripts can rely on."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bartizan.policy.hindrance import Hindrance
from bartizan.policy.preview import Preview
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
    assert "No device was reported yet" in person.do("device", "hardening")
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
    assert again.stderr.startswith("preview: 0 of 0 devices tighten, 0 loosen, ")
    shown = person.do("policy", "sign", "--change", change, "--yes", *person.key(2))
    assert "rules[sensitive-sites].contain: (nothing) -> isolate" in shown
    assert "policy 3" in person.do("policy", "publish", change)
    assert person.ask("policy", "changes") == []

    assert [each["policy"]["id"] for each in person.ask("policy", "list")] == ["uk-hcws386"]
    assert "rule sensitive-sites" in person.do("policy", "show", "uk-hcws386")
    unknown = person.run("policy", "show", "uk-hcws387")
    assert unknown.returncode == 1
    assert "published: uk-hcws386" in unknown.stderr


def test_a_preview_needs_no_proposal_and_no_key(person: Person) -> None:
    """Of documents and of what waits; what cannot be enforced is named; programs get it as JSON."""
    person.do("site", "add", "annexe", "--organisation", "county")
    shown = person.do("policy", "preview", "policies/us-ndaa-889.yaml", "policies/makers.yaml")
    assert shown.startswith("0 of 0 devices tighten")
    assert "annexe  no-gateway      no gateway is enrolled" in shown
    assert person.ask("policy", "changes") == []

    change = person.ask("policy", "sign", "policies/us-ndaa-889.yaml", *person.key(1))["change"]
    asked = person.run("policy", "preview", change, "--json")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert msgspec.json.decode(asked.stdout, type=Preview).hindered_by(Hindrance.NO_GATEWAY) == 1
    person.do("policy", "withdraw", change)
    gone = person.run("policy", "preview", change)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "no change" in gone.stderr
    assert person.run("policy", "preview", "missing.yaml").returncode == 2


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


def test_devices_can_be_contained_by_their_facts(person: Person) -> None:
    """A selector stands where a site or a device can stand."""
    wanted = ("--level", "isolate", "--reason", "drill")
    for selector in (("maker: hikvision",), ("{not: {kind: other}}",), ("--selector", "maker: hikvision")):
        given = person.ask("contain", *selector, *wanted)["order"]
        assert (given["level"], "selector" in given) == ("isolate", True)
        person.do("release", given["id"], "--reason", "drill is over")
    both = person.run("contain", "maker: hikvision", "--selector", "maker: axis", *wanted)
    assert both.returncode == 2
    assert "'maker: hikvision' is neither a site nor a device" in both.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("contain", "colour: red", "--level", "isolate", "--reason", "x"), 1, "colour"),
        (("contain", "nowhere", "--level", "isolate", "--reason", "x"), 2, "neither a site nor a device"),
        (("contain", "--level", "isolate", "--reason", "x"), 2, "say whom the order concerns"),
        (("contain", "x", "--level", "watch", "--reason", "x"), 2, "is not one of"),
        (("contain", "--estate", "--level", "isolate", "--reason", " "), 2, "an order needs a reason"),
        (("contain", "--selector", "colour: red", "--level", "isolate", "--reason", "x"), 1, "colour"),
        (("device", "show", "10.0.0.1"), 1, "no device is called '10.0.0.1'"),
        (("event", "list", "--kind", "catalogue.refuse"), 2, "is it catalogue.refused"),
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


class TestKeyCeremony:
    """Last in this file: what it changes of who may sign stays."""

    def test_it_is_told_who_may_sign(self, person: Person) -> None:
        signers = person.ask("key", "list")

        assert {role: rule["threshold"] for role, rule in signers.items()} == {
            **dict.fromkeys(("root", "targets", "policy", "firmware"), 2),
            **dict.fromkeys(("snapshot", "timestamp"), 1),
        }
        assert [key["holder"] for key in signers["policy"]["keys"]] == ["approver-1", "approver-2", "approver-3"]
        assert "approver-1, approver-2, approver-3" in person.do("key", "list")

    def test_a_new_key_is_its_owners_alone_and_never_overwritten(self, person: Person, tmp_path: Path) -> None:
        file = tmp_path / "approver-4.pem"
        person.do("key", "new", str(file), "--no-passphrase")

        assert file.stat().st_mode & 0o777 == 0o600
        assert msgspec.json.decode((tmp_path / "approver-4.pem.pub").read_bytes())["holder"] == "approver-4"
        assert "no key is ever overwritten" in person.run("key", "new", str(file), "--no-passphrase").stderr

    def test_root_and_targets_are_prolonged_by_their_own_holders(self, person: Person) -> None:
        """Each needs two of its own keys; an approver's is refused."""
        for role in ("root", "targets"):
            mine, other = (f"{person.folder}-offline-keys/{role}-{number}.pem" for number in (1, 2))
            refused = person.run("key", "renew", role, *person.key(1))
            assert (refused.returncode, f"does not count for the {role} role" in refused.stderr) == (1, True)
            assert person.ask("policy", "changes") == []
            before = person.ask("status")["catalogue"][role]
            change = person.ask("key", "renew", role, "--key", mine)["change"]
            person.do("policy", "sign", "--change", change, "--yes", "--key", other)
            assert f"{role} {before + 1}" in person.do("policy", "publish", change)

    def test_a_lost_approvers_key_is_exchanged(self, person: Person, tmp_path: Path) -> None:
        """Two targets keys name the new one; what the lost key had signed is signed again, in the same publication."""
        fresh = tmp_path / "approver-4.pem"
        person.do("key", "new", str(fresh), "--no-passphrase")
        targets = [f"{person.folder}-offline-keys/targets-{number}.pem" for number in (1, 2)]
        wish = ("--add", f"{fresh}.pub", "--remove", "approver-2")
        exchange = person.ask("key", "change", "approvers", *wish, "--key", targets[0])["change"]
        shown = person.do("policy", "sign", "--change", exchange, "--yes", "--key", targets[1])
        assert "keys: policy: 2 of approver-1" in shown

        again = []
        for role in ("policy", "firmware"):
            again.append(person.ask("key", "renew", role, *person.key(1))["change"])
            person.do("policy", "sign", "--change", again[-1], "--yes", "--key", str(fresh))
        assert person.run("policy", "publish", exchange).returncode == 1
        person.do("policy", "publish", exchange, *(f"--with={change}" for change in again))

        assert [key["holder"] for key in person.ask("key", "list")["policy"]["keys"]] == [
            "approver-1",
            "approver-3",
            "approver-4",
        ]
        lost = person.run("key", "renew", "policy", *person.key(2))
        assert "does not count for the policy role" in lost.stderr

    def test_too_few_holders_are_refused(self, person: Person) -> None:
        wish = ("--remove", "targets-1", "--key", f"{person.folder}-offline-keys/root-1.pem")
        change = person.ask("key", "change", "targets", *wish)["change"]
        person.do("policy", "sign", "--change", change, "--yes", "--key", f"{person.folder}-offline-keys/root-2.pem")
        refused = person.run("policy", "publish", change)

        assert refused.returncode == 1
        assert "the targets role is not approved: 1 of 2 signatures" in refused.stderr
        person.do("policy", "withdraw", change)
        assert (
            "no key of root is held by that name"
            in person.run("key", "change", "root", "--remove", "approver-9", *wish[2:]).stderr
        )
