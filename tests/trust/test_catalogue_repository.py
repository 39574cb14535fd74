"""The controller's catalogue: two people for every change, and a disk that may fail at any write."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.errors import BadSignature, Expired, Malformed, TooNew, Unavailable
from bartizan.firmware.model import Advisory, Grade
from bartizan.trust.approval import signing_payload
from bartizan.trust.catalogue import RoleKeys
from bartizan.trust.keys import from_pem, from_seed
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan_controller.catalogue import (
    CatalogueRepository,
    ChangeId,
    OnlineKeys,
    director_keys,
    found,
    load_online_keys,
    make_keys,
)
from bartizan_controller.durable import replace_file
from bartizan_controller.errors import Conflict, NotFound
from tests.trust.estate import DAY, NOW, SHA, Estate, image, policy


class TestFounding:
    def test_every_key_is_a_file_for_its_owner_only(self, tmp_path: Path) -> None:
        make_keys(tmp_path / "online", tmp_path / "offline")

        assert sorted(file.name for file in (tmp_path / "offline").iterdir()) == [
            "approver-1.pem", "approver-2.pem", "approver-3.pem",
            "root-1.pem", "root-2.pem", "targets-1.pem", "targets-2.pem",
        ]  # fmt: skip
        assert sorted(file.name for file in (tmp_path / "online").iterdir()) == [
            "director.pem",
            "snapshot.pem",
            "timestamp.pem",
        ]
        assert {file.stat().st_mode & 0o777 for file in tmp_path.rglob("*.pem")} == {0o600}

    def test_people_carry_encrypted_keys_away_if_they_want(self, tmp_path: Path) -> None:
        keys = make_keys(tmp_path / "online", tmp_path / "offline", passphrase=b"secret")
        pem = (tmp_path / "offline" / "approver-1.pem").read_bytes()

        assert from_pem(pem, b"secret").id == keys.approvers[0].id
        with pytest.raises(Malformed):
            from_pem(pem)
        assert load_online_keys(tmp_path / "online").director.id == keys.online.director.id

    def test_no_key_and_no_catalogue_is_ever_overwritten(self, estate: Estate) -> None:
        with pytest.raises(FileExistsError):
            make_keys(estate.folder / "online", estate.folder / "offline")
        with pytest.raises(FileExistsError):
            found(estate.folder / "catalogue", estate.keys, now=NOW)

    def test_a_new_catalogue_is_complete_and_empty(self, estate: Estate) -> None:
        catalogue = estate.repository.catalogue()

        assert catalogue.policies == ()
        assert catalogue.director == director_keys(estate.keys.online.director)
        assert set(estate.all_files()) >= {"metadata/1.root.json", "metadata/timestamp.json"}

    def test_missing_online_keys_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match=r"snapshot\.pem"):
            load_online_keys(tmp_path)


class TestApproval:
    def test_two_people_publish_a_policy(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy())
        estate.approve(change_id, *estate.keys.approvers[:2])

        assert estate.repository.publish(change_id, now=NOW)["policy"] == 2
        assert estate.repository.catalogue().policies == (policy(),)
        assert estate.repository.pending() == {}

    def test_what_a_crash_left_of_a_published_change_never_waits_again(self, estate: Estate) -> None:
        """Neither at once nor once the next one is published."""
        first = estate.propose_policy(policy())
        estate.approve(first, *estate.keys.approvers[:2])
        file = estate.folder / "catalogue" / "changes" / f"{first}.json"
        left = file.read_bytes()
        estate.repository.publish(first, now=NOW)
        file.write_bytes(left)
        assert estate.repository.pending() == {}

        second = estate.propose_policy(policy(version=2))
        estate.approve(second, *estate.keys.approvers[:2])
        estate.repository.publish(second, now=NOW)
        assert estate.repository.pending() == {}

    def test_one_person_does_not(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy())

        with pytest.raises(BadSignature, match="0 of 2 signatures"):
            estate.repository.publish(change_id, now=NOW)
        estate.approve(change_id, estate.keys.approvers[0])
        with pytest.raises(BadSignature, match="1 of 2 signatures; needs a second person's"):
            estate.repository.publish(change_id, now=NOW)
        assert estate.repository.catalogue().policies == ()

    def test_signing_twice_is_still_one_person(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy())
        estate.approve(change_id, estate.keys.approvers[0], estate.keys.approvers[0])

        assert estate.repository.pending()[change_id].reason == "1 of 2 signatures; needs a second person's"

    def test_who_waits_for_whom_can_be_seen(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy())
        estate.approve(change_id, estate.keys.approvers[2])

        approval = estate.repository.pending()[change_id]

        assert approval.holders == ("approver-3",)
        assert approval.prepared_by == estate.keys.approvers[0].id
        assert not approval.complete

    def test_other_roles_keys_do_not_count(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy())
        online = estate.keys.online

        for key in (*estate.keys.root, *estate.keys.targets, online.director, online.snapshot, online.timestamp):
            with pytest.raises(BadSignature, match="does not count"):
                estate.approve(change_id, key)
        assert estate.repository.pending()[change_id].signed_by == ()

    def test_a_signature_of_other_bytes_does_not_count(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy())
        key = estate.keys.approvers[0]

        for signature in (key.sign(b"other bytes"), b"", b"rubbish"):
            with pytest.raises(BadSignature):
                estate.repository.sign(change_id, key.id, signature)

    def test_a_signature_does_not_carry_over_to_another_change(self, estate: Estate) -> None:
        first = estate.propose_policy(policy())
        second = estate.propose_policy(policy(level=Level.WATCH))
        key = estate.keys.approvers[0]
        payload = signing_payload("policy", estate.repository.review(first).proposed)

        with pytest.raises(BadSignature):
            estate.repository.sign(second, key.id, key.sign(payload))

    def test_an_image_needs_two_people_too(self, estate: Estate) -> None:
        estate.publish_image(image())

        assert estate.repository.catalogue().images == (image(),)

    def test_an_image_is_recalled_by_publishing_that_it_is(self, estate: Estate) -> None:
        estate.publish_image(image())
        estate.publish_image(image(recalled=True))

        assert estate.repository.catalogue().images == (image(recalled=True),)


class TestProposing:
    def test_advisories_need_programs_that_know_their_grades(self, estate: Estate) -> None:
        about = tuple(Advisory("CVE-1", "title", maker, (), "source", Grade.PUBLISHED) for maker in ("dahua", "axis"))
        change = estate.repository.propose(
            "policy",
            add={"policy/advisories.json": codec.encode(about)},
            prepared_by=estate.keys.approvers[0].id,
            now=NOW,
        )
        estate.approve(change, *estate.keys.approvers[:2])
        estate.repository.publish(change, now=NOW)

        assert estate.repository.catalogue().advisories == about
        assert b'"needs_capability":2' in estate.all_files()["metadata/2.policy.json"]

    def test_the_same_change_twice_is_one_change(self, estate: Estate) -> None:
        assert estate.propose_policy(policy()) == estate.propose_policy(policy())

    def test_what_gateways_would_refuse_is_not_even_proposed(self, estate: Estate) -> None:
        def propose(path: str, content: bytes) -> ChangeId:
            return estate.repository.propose("policy", add={path: content}, prepared_by=estate.keys.root[0].id, now=NOW)

        with pytest.raises(Malformed):
            propose("policy/a.json", b"{}")
        with pytest.raises(TooNew):
            propose("policy/a.json", codec.encode(policy("a", needs=CAPABILITY + 1)))
        with pytest.raises((ValueError, Malformed)):
            propose("firmware/a.json", codec.encode(policy("a")))

    def test_only_what_is_there_is_removed(self, estate: Estate) -> None:
        with pytest.raises(ValueError, match="cannot be removed"):
            estate.repository.propose(
                "policy", add={}, remove=["policy/a.json"], prepared_by=estate.keys.approvers[0].id, now=NOW
            )

    def test_a_removed_policy_is_gone(self, estate: Estate) -> None:
        estate.publish_policy(policy())
        change_id = estate.repository.propose(
            "policy", add={}, remove=["policy/hikvision.json"], prepared_by=estate.keys.approvers[0].id, now=NOW
        )
        estate.approve(change_id, *estate.keys.approvers[1:])
        estate.repository.publish(change_id, now=NOW)

        assert estate.repository.catalogue().policies == ()

    def test_a_change_that_was_overtaken_must_be_prepared_again(self, estate: Estate) -> None:
        overtaken = estate.propose_policy(policy("axis"))
        estate.approve(overtaken, *estate.keys.approvers[:2])
        estate.publish_policy(policy())

        with pytest.raises(Conflict, match="again"):
            estate.repository.publish(overtaken, now=NOW)

    def test_a_change_that_waited_a_year_must_be_prepared_again(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy())
        estate.approve(change_id, *estate.keys.approvers[:2])

        with pytest.raises(Expired):
            estate.repository.publish(change_id, now=NOW + 366 * DAY)

    def test_a_withdrawn_change_is_gone(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy())
        estate.repository.withdraw(change_id)
        estate.repository.withdraw(change_id)

        with pytest.raises(NotFound):
            estate.repository.publish(change_id, now=NOW)

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "policy-2-0123456789abcdef", "policy-2-zz", "a/b"])
    def test_an_unknown_change_is_not_found(self, estate: Estate, name: str) -> None:
        with pytest.raises(NotFound):
            estate.repository.review(ChangeId(name))

    def test_a_staged_file_that_was_swapped_is_noticed(self, estate: Estate) -> None:
        first = estate.propose_policy(policy())
        second = estate.propose_policy(policy(level=Level.WATCH))
        changes = estate.folder / "catalogue" / "changes"
        (changes / f"{first}.json").write_bytes((changes / f"{second}.json").read_bytes())

        with pytest.raises(Malformed, match="another change"):
            estate.repository.review(first)


class TestOutlook:
    def test_it_says_what_the_catalogue_says_once_the_change_is_published(self, estate: Estate) -> None:
        """Of a change and of its documents alike: what is kept, what is replaced, and what gateways must understand."""
        estate.publish_policy(policy("axis"), policy())
        replaced = policy(level=Level.QUARANTINE)
        change_id = estate.propose_policy(replaced)
        outlook = estate.repository.outlook(change_id, NOW)
        assert estate.repository.outlook_with({"policy/hikvision.json": codec.encode(replaced)}) == outlook
        estate.approve(change_id, *estate.keys.approvers[:2])
        estate.repository.publish(change_id, now=NOW)

        assert set(outlook.catalogue.policies) == set(estate.repository.catalogue().policies)
        assert outlook.needs_capability == 1
        with pytest.raises(NotFound):
            estate.repository.outlook(change_id, NOW)

    def test_a_change_of_keys_or_firmware_changes_nothing_that_devices_are_judged_by(self, estate: Estate) -> None:
        estate.publish_policy(policy())
        by = estate.keys.targets[0].id
        changes = [
            estate.repository.propose("targets", add={}, prepared_by=by, now=NOW),
            estate.repository.propose("firmware", add={}, prepared_by=by, now=NOW),
            estate.repository.propose_root({}, prepared_by=by, now=NOW),
        ]

        for each in changes:
            assert estate.repository.outlook(each, NOW).catalogue == estate.repository.catalogue()

    def test_nobody_looks_ahead_of_what_is_not_published_any_more(self, estate: Estate) -> None:
        overtaken = estate.propose_policy(policy("axis"))
        estate.publish_policy(policy())

        with pytest.raises(Conflict):
            estate.repository.outlook(overtaken, NOW)
        with pytest.raises(Malformed):
            estate.repository.outlook_with({"policy/a.json": b"{}"})


class TestKeyRotation:
    def test_the_director_is_exchanged_by_the_targets_owners(self, estate: Estate) -> None:
        gateway = estate.gateway()
        gateway.update(estate.all_files(), NOW)
        new = director_keys(from_seed(b"n" * 32))
        change_id = estate.repository.propose(
            "targets",
            add={"trust/director.json": codec.encode(new)},
            prepared_by=estate.keys.targets[0].id,
            now=NOW,
        )
        estate.approve(change_id, *estate.keys.targets)
        estate.repository.publish(change_id, now=NOW)

        assert gateway.update(estate.repository.bundle(gateway.versions()), NOW).director == new

    def test_an_approver_is_exchanged_in_one_publication(self, estate: Estate) -> None:
        """The delegation and what the new keys signed go out together; neither would be valid alone."""
        estate.publish_policy(policy())
        gateway = estate.gateway()
        gateway.update(estate.all_files(), NOW)
        new = (from_seed(b"a" * 32, "approver-4"), from_seed(b"b" * 32, "approver-5"))
        roles = {name: RoleKeys(tuple(key.public for key in new)) for name in ("policy", "firmware")}
        delegation = estate.repository.propose(
            "targets", add={}, delegations=roles, prepared_by=estate.keys.targets[0].id, now=NOW
        )
        estate.approve(delegation, *estate.keys.targets)
        with pytest.raises(BadSignature):
            estate.repository.publish(delegation, now=NOW)

        resigned = [
            estate.repository.propose(role, add={}, prepared_by=new[0].id, now=NOW) for role in ("policy", "firmware")
        ]
        for change_id in resigned:
            estate.approve(change_id, *new)
        estate.repository.publish(delegation, *resigned, now=NOW)

        catalogue = gateway.update(estate.repository.bundle(gateway.versions()), NOW)
        assert catalogue.policies == (policy(),)

    def test_root_keys_are_exchanged_by_old_and_new(self, estate: Estate) -> None:
        gateway = estate.gateway()
        new = (from_seed(b"1" * 32, "root-3"), from_seed(b"2" * 32, "root-4"))
        change_id = estate.repository.propose_root(
            {"root": RoleKeys(tuple(key.public for key in new))}, prepared_by=estate.keys.root[0].id, now=NOW
        )
        estate.approve(change_id, *estate.keys.root)
        with pytest.raises(BadSignature, match="0 of 2"):
            estate.repository.publish(change_id, now=NOW)
        estate.approve(change_id, *new)
        estate.repository.publish(change_id, now=NOW)

        gateway.update(estate.all_files(), NOW)
        assert gateway.versions()["root"] == 2

    def test_stolen_online_keys_are_exchanged(self, estate: Estate) -> None:
        gateway = estate.gateway()
        gateway.update(estate.all_files(), NOW)
        online = OnlineKeys(from_seed(b"s" * 32), from_seed(b"t" * 32), from_seed(b"d" * 32))
        roles = {
            "snapshot": RoleKeys((online.snapshot.public,), threshold=1),
            "timestamp": RoleKeys((online.timestamp.public,), threshold=1),
        }
        change_id = estate.repository.propose_root(roles, prepared_by=estate.keys.root[0].id, now=NOW)
        estate.approve(change_id, *estate.keys.root)
        with pytest.raises(BadSignature):
            estate.repository.publish(change_id, now=NOW)  # this controller still holds the old ones

        renewed = CatalogueRepository(estate.folder / "catalogue", online)
        renewed.publish(change_id, now=NOW)

        gateway.update(renewed.bundle(gateway.versions()), NOW)
        assert gateway.versions()["root"] == 2


class TestKeepingFresh:
    def test_the_timestamp_is_renewed_halfway(self, estate: Estate) -> None:
        assert not estate.repository.refresh_online(NOW + 3 * DAY)
        assert estate.repository.refresh_online(NOW + 4 * DAY)
        assert estate.repository.expiries()["timestamp"] == NOW + 11 * DAY
        assert not estate.repository.refresh_online(NOW + 4 * DAY)

    def test_what_people_signed_is_not_renewed_by_itself(self, estate: Estate) -> None:
        estate.repository.refresh_online(NOW + 300 * DAY)

        assert estate.repository.expiries()["policy"] == NOW + 365 * DAY


class TestBundles:
    def test_a_gateway_that_holds_everything_is_sent_nothing(self, estate: Estate) -> None:
        assert estate.repository.bundle(estate.repository.versions()) == {}

    def test_a_gateway_with_versions_that_are_not_known_here_is_sent_everything(self, estate: Estate) -> None:
        estate.publish_policy(policy())
        everything = estate.all_files()

        assert estate.repository.bundle({"policy": 99, "targets": 99}) == everything

    def test_images_never_travel_with_the_catalogue(self, estate: Estate) -> None:
        estate.publish_image(image())

        assert not [name for name in estate.all_files() if SHA in name]


class Cut(Exception):
    """The power went."""


def cutting(after: int, *, write_last: bool) -> Callable[[Path, bytes], None]:
    """A disk that loses power at one write, just before or just after it is done."""
    writes = 0

    def write(path: Path, data: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes > after:
            if write_last and writes == after + 1:
                replace_file(path, data)
            raise Cut
        replace_file(path, data)

    return write


@pytest.mark.parametrize("write_last", [False, True])
@pytest.mark.parametrize("after", range(6))
def test_a_crash_at_any_write_leaves_the_old_or_the_new_catalogue(
    estate: Estate, after: int, *, write_last: bool
) -> None:
    gateway = estate.gateway()
    gateway.update(estate.all_files(), NOW)
    change_id = estate.propose_policy(policy())
    estate.approve(change_id, *estate.keys.approvers[:2])
    failing = CatalogueRepository(
        estate.folder / "catalogue", estate.keys.online, write=cutting(after, write_last=write_last)
    )

    with contextlib.suppress(Cut):
        failing.publish(change_id, now=NOW)

    restarted = CatalogueRepository(estate.folder / "catalogue", estate.keys.online)
    restarted.refresh_online(NOW)
    assert restarted.catalogue().policies in ((), (policy(),))
    gateway.update(restarted.bundle(gateway.versions()), NOW)
    assert gateway.versions() == restarted.versions()
    if change_id in restarted.pending() and restarted.versions()["policy"] == 1:
        restarted.publish(change_id, now=NOW)
    gateway.update(restarted.bundle(gateway.versions()), NOW)
    assert restarted.catalogue().policies == (policy(),)
    assert restarted.pending() == {}
    assert gateway.catalogue is not None
    assert gateway.catalogue.policies == (policy(),)


@pytest.mark.parametrize("after", range(4))
def test_a_crash_while_the_online_keys_are_exchanged_heals_at_start(estate: Estate, after: int) -> None:
    online = OnlineKeys(from_seed(b"s" * 32), from_seed(b"t" * 32), from_seed(b"d" * 32))
    roles = {
        "snapshot": RoleKeys((online.snapshot.public,), threshold=1),
        "timestamp": RoleKeys((online.timestamp.public,), threshold=1),
    }
    change_id = estate.repository.propose_root(roles, prepared_by=estate.keys.root[0].id, now=NOW)
    estate.approve(change_id, *estate.keys.root)
    failing = CatalogueRepository(estate.folder / "catalogue", online, write=cutting(after, write_last=False))
    with contextlib.suppress(Cut):
        failing.publish(change_id, now=NOW)

    restarted = CatalogueRepository(estate.folder / "catalogue", online)
    if restarted.versions()["root"] == 1:
        restarted.publish(change_id, now=NOW)
    restarted.refresh_online(NOW)

    assert estate.gateway().update(restarted.bundle({}), NOW).versions["root"] == 2
