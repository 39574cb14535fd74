"""What an approver is told before signing, though the controller that tells it may be a thief's."""

import json

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.errors import BadSignature, Malformed, Stale
from bartizan.ids import OrganisationId, SiteId
from bartizan.policy.model import Sensitivity, SiteFacts
from bartizan.trust.catalogue import RoleKeys
from bartizan.trust.keys import from_seed
from bartizan.trust.review import Difference, describe, newest_root
from bartizan.wire import codec
from bartizan_controller.catalogue import ChangeId
from tests.trust.estate import DAY, NOW, Estate, Forger, image, policy

SITES = "policy/sites-council.json"


def sites(*facts: SiteFacts) -> bytes:
    return codec.encode(facts)


def library(sensitivity: Sensitivity) -> SiteFacts:
    return SiteFacts(SiteId("library"), OrganisationId("council"), sensitivity, tags=("public", "listed"))


def test_a_changed_level_is_one_line(estate: Estate) -> None:
    estate.publish_policy(policy())
    change_id = estate.propose_policy(policy(level=Level.WATCH, version=2))

    assert estate.repository.describe(change_id).lines() == [
        "policy/hikvision.json: rules[contain].contain: isolate -> watch",
        "policy/hikvision.json: version: 1 -> 2",
    ]


def test_who_prepared_it_when_why_and_who_signed(estate: Estate) -> None:
    change_id = estate.repository.propose(
        "policy",
        add={"policy/hikvision.json": codec.encode(policy())},
        prepared_by=estate.keys.approvers[2].id,
        now=NOW + DAY,
        note="statement of 24 November 2022",
    )
    estate.approve(change_id, estate.keys.approvers[2])

    description = estate.repository.describe(change_id)

    assert description.prepared_by == "approver-3"
    assert description.prepared_at == NOW + DAY
    assert description.note == "statement of 24 November 2022"
    assert (description.role, description.version) == ("policy", 2)
    assert description.expires_at == NOW + 366 * DAY
    assert description.approval.holders == ("approver-3",)


def test_an_entry_that_moved_is_no_change_but_one_that_changed_is(estate: Estate) -> None:
    school = SiteFacts(SiteId("school"), OrganisationId("council"))
    publish(estate, SITES, sites(school, library(Sensitivity.SENSITIVE)))
    change_id = propose(estate, SITES, sites(library(Sensitivity.ORDINARY), school))

    assert estate.repository.describe(change_id).differences == (
        Difference(SITES, "[library].sensitivity", "sensitive", "ordinary"),
    )


def test_a_removed_policy_is_shown_whole(estate: Estate) -> None:
    estate.publish_policy(policy())
    change_id = estate.repository.propose(
        "policy", add={}, remove=["policy/hikvision.json"], prepared_by=estate.keys.approvers[0].id, now=NOW
    )

    lines = estate.repository.describe(change_id).lines()

    assert "policy/hikvision.json: rules[contain].contain: isolate -> (nothing)" in lines


def test_an_image_is_shown_by_what_it_is(estate: Estate) -> None:
    change_id = estate.repository.propose(
        "firmware", add={"firmware/fw.bin": image()}, prepared_by=estate.keys.approvers[0].id, now=NOW
    )

    lines = estate.repository.describe(change_id).lines()

    assert 'firmware/fw.bin: models: (nothing) -> ["DS-2CD2142FWD-I"]' in lines
    assert "firmware/fw.bin: version: (nothing) -> 5.7.3" in lines


def test_two_rules_of_one_name_cannot_hide_each_other(estate: Estate) -> None:
    rule = policy().rules[0]
    doubled = msgspec.structs.replace(policy(), rules=(msgspec.structs.replace(rule, contain=Level.WATCH), rule))
    change_id = estate.propose_policy(doubled)

    lines = estate.repository.describe(change_id).lines()

    assert "policy/hikvision.json: rules[0].contain: (nothing) -> watch" in lines
    assert "policy/hikvision.json: rules[1].contain: (nothing) -> isolate" in lines


def test_a_change_of_who_may_sign_is_shown(estate: Estate) -> None:
    new = from_seed(b"a" * 32, "approver-4")
    approvers = RoleKeys((estate.keys.approvers[0].public, new.public))
    change_id = estate.repository.propose(
        "targets",
        add={},
        delegations={"policy": approvers, "firmware": approvers},
        prepared_by=estate.keys.targets[0].id,
        now=NOW,
    )

    differences = estate.repository.describe(change_id).differences

    assert [(each.path, each.field) for each in differences] == [("keys", "firmware"), ("keys", "policy")]
    assert differences[1].after == (f"2 of approver-1 ({estate.keys.approvers[0].id[:16]}), approver-4 ({new.id[:16]})")


def test_a_root_change_is_shown_by_its_keys(estate: Estate) -> None:
    new = (from_seed(b"1" * 32, "root-3"), from_seed(b"2" * 32, "root-4"))
    change_id = estate.repository.propose_root(
        {"root": RoleKeys(tuple(key.public for key in new))}, prepared_by=estate.keys.root[0].id, now=NOW
    )

    description = estate.repository.describe(change_id)

    assert [each.field for each in description.differences] == ["root"]
    assert "root-1" in description.differences[0].before
    assert "root-3" in description.differences[0].after
    assert description.prepared_by == "root-1"


class TestAThiefsController:
    def test_cannot_show_other_content_than_what_is_signed_for(self, estate: Estate) -> None:
        review = estate.repository.review(estate.propose_policy(policy(level=Level.WATCH)))
        shown = {"policy/hikvision.json": codec.encode(policy(level=Level.QUARANTINE))}

        with pytest.raises(BadSignature):
            describe(msgspec.structs.replace(review, after=shown), estate.repository.first_root())

    def test_cannot_leave_content_out(self, estate: Estate) -> None:
        review = estate.repository.review(estate.propose_policy(policy(level=Level.WATCH)))

        with pytest.raises(Malformed, match="unseen"):
            describe(msgspec.structs.replace(review, after={}), estate.repository.first_root())

    def test_cannot_put_a_decoy_beside_the_content(self, estate: Estate) -> None:
        review = estate.repository.review(estate.propose_policy(policy(level=Level.WATCH)))
        proposed = json.loads(review.proposed)
        proposed["signed"]["targets"]["policy/hikvision.json"]["custom"] = {"harmless": True}

        lines = describe(
            msgspec.structs.replace(review, proposed=json.dumps(proposed).encode()), estate.repository.first_root()
        ).lines()

        assert "policy/hikvision.json: rules[contain].contain: (nothing) -> watch" in lines

    def test_cannot_make_up_the_present_state(self, estate: Estate) -> None:
        estate.publish_policy(policy())
        review = estate.repository.review(estate.propose_policy(policy(level=Level.WATCH, version=2)))
        forged = review.current.replace(b'"version":2', b'"version":2,"x":1')

        with pytest.raises(BadSignature):
            describe(msgspec.structs.replace(review, current=forged), estate.repository.first_root())

    def test_cannot_make_up_who_counts(self, estate: Estate) -> None:
        review = estate.repository.review(estate.propose_policy(policy()))
        forger = Forger(estate.all_files())
        targets = forger.metadata("targets")
        targets.signed.delegations.roles["policy"].threshold = 1
        forger.put("targets", targets, estate.keys.online.director)

        with pytest.raises(BadSignature):
            describe(msgspec.structs.replace(review, targets=forger.newest["targets"]), estate.repository.first_root())

    def test_cannot_bring_its_own_root(self, estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> None:
        other = Estate.found(tmp_path_factory.mktemp("other"))
        review = other.repository.review(other.propose_policy(policy()))

        with pytest.raises(BadSignature):
            describe(review, estate.repository.first_root())

    def test_cannot_present_a_change_of_an_older_version(self, estate: Estate) -> None:
        change_id = estate.propose_policy(policy("axis"))
        review = estate.repository.review(change_id)
        estate.publish_policy(policy())
        present = estate.repository.review(change_id).current

        with pytest.raises(Stale):
            describe(msgspec.structs.replace(review, current=present), estate.repository.first_root())

    def test_cannot_present_a_role_that_nobody_approves(self, estate: Estate) -> None:
        review = estate.repository.review(estate.propose_policy(policy()))

        with pytest.raises(Malformed):
            describe(msgspec.structs.replace(review, role="timestamp"), estate.repository.first_root())

    def test_cannot_leave_a_root_out(self, estate: Estate) -> None:
        first = estate.repository.first_root()
        for _ in range(2):
            change_id = estate.repository.propose_root({}, prepared_by=estate.keys.root[0].id, now=NOW)
            estate.approve(change_id, *estate.keys.root)
            estate.repository.publish(change_id, now=NOW)
        roots = estate.repository.review(estate.propose_policy(policy())).roots

        assert newest_root(roots, first) == roots[2]
        with pytest.raises(Malformed, match="root 2 is missing"):
            newest_root((roots[0], roots[2]), first)


def propose(estate: Estate, path: str, content: bytes) -> ChangeId:
    return estate.repository.propose("policy", add={path: content}, prepared_by=estate.keys.approvers[0].id, now=NOW)


def publish(estate: Estate, path: str, content: bytes) -> None:
    change_id = estate.repository.propose(
        "policy", add={path: content}, prepared_by=estate.keys.approvers[0].id, now=NOW
    )
    estate.approve(change_id, *estate.keys.approvers[:2])
    estate.repository.publish(change_id, now=NOW)
