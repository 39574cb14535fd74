"""Policy that goes out in stages: who waits, until when, and that nothing but what two people signed decides it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.errors import Malformed, Stale, TooNew, Unavailable
from bartizan.ids import SiteId
from bartizan.policy.model import All, Condition, Not, Operator, Subject
from bartizan.trust.catalogue import RoleKeys
from bartizan.trust.keys import from_seed
from bartizan.trust.push import Because, Push, Waiting, Wave, check_push, no_longer, on_arrival
from bartizan.wire import codec
from bartizan_agent.catalogue import CatalogueClient, LastGood
from bartizan_controller.catalogue import CatalogueRepository
from bartizan_controller.catalogue.online_keys import OnlineKeys
from tests.trust.estate import DAY, NOW, Estate, Forger, image, policy, write_unsynced

SCHOOL, HALL = SiteId("school"), SiteId("town-hall")
HOUR = 3600.0
PUSH = Push(policy=3, base=2, canary=(HALL,), not_after=NOW + DAY, waves=(Wave(percent=10),), soak_seconds=HOUR)
STRICT, LOOSE = policy(version=1), policy(level=Level.WATCH, version=2)
MAKER = Condition(Subject.MAKER, Operator.IS, ("hikvision",))


@pytest.mark.parametrize(
    ("push", "site", "in_force", "because"),
    [
        (None, SCHOOL, 2, Because.NOT_STAGED),
        (PUSH, SCHOOL, 0, Because.FIRST),
        (PUSH, SCHOOL, 1, Because.MISSED),
        (PUSH, SCHOOL, 2, None),
        (PUSH, None, 2, None),
        (PUSH, HALL, 2, Because.CANARY),
    ],
)
def test_who_waits(push: Push | None, site: SiteId | None, in_force: int, because: Because | None) -> None:
    assert on_arrival(push, site, in_force=in_force) is because


WAITING = Waiting(PUSH, "digest", prepared_at=NOW, since=NOW + HOUR)


@pytest.mark.parametrize(
    ("waiting", "activated", "now", "because"),
    [
        (WAITING, [], NOW + DAY - 1, None),
        (WAITING, [], NOW + DAY, Because.DEADLINE),
        (WAITING, [(3, "digest")], NOW, Because.ACTIVATED),
        (WAITING, [(3, "another")], NOW, None),
        (WAITING, [(2, "digest")], NOW, None),
        # A clock that was a year behind when it came, and still is: a day of it is enough all the same.
        (msgspec.structs.replace(WAITING, since=NOW - 365 * DAY), [], NOW - 364 * DAY - 1, None),
        (msgspec.structs.replace(WAITING, since=NOW - 365 * DAY), [], NOW - 364 * DAY, Because.DEADLINE),
    ],
)
def test_until_when(waiting: Waiting, activated: list[tuple[int, str]], now: float, because: Because | None) -> None:
    assert no_longer(waiting, activated, now) is because


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"base": 3}, "starts from"),
        ({"base": 0}, "starts from"),
        ({"canary": ()}, "canary"),
        ({"canary": (HALL, HALL)}, "canary"),
        ({"canary": (SiteId("Town Hall"),)}, "name"),
        ({"not_after": NOW}, "within 14 days"),
        ({"not_after": NOW + 14 * DAY + 1}, "within 14 days"),
        ({"not_after": float("inf")}, "within 14 days"),
        ({"soak_seconds": 2 * DAY}, "soak"),
        ({"soak_seconds": -1.0}, "soak"),
        ({"waves": (Wave(),)}, "one of them"),
        ({"waves": (Wave(percent=1, selector=MAKER),)}, "one of them"),
        ({"waves": (Wave(percent=20), Wave(percent=10))}, "rise"),
        ({"waves": (Wave(percent=101),)}, "rise"),
        ({"waves": (Wave(selector=All((Not(MAKER),))),)}, "declared of sites"),
        ({"waves": (Wave(percent=1),) * 21}, "more than 20"),
    ],
)
def test_a_push_that_makes_no_sense_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(Malformed, match=says):
        check_push(msgspec.structs.replace(PUSH, **change), prepared_at=NOW)


@pytest.fixture
def gateway(estate: Estate) -> CatalogueClient:
    """One that holds a policy, of a site that is no canary."""
    estate.publish_policy(STRICT)
    gateway = estate.gateway(capability=4, site=SCHOOL)
    gateway.update(estate.all_files(), NOW)
    return gateway


def again(estate: Estate, name: str = "gateway") -> CatalogueClient:
    """The same gateway after a restart."""
    client = CatalogueClient(estate.folder / name, site=SCHOOL, capability=4, write=write_unsynced)
    client.load()
    return client


def in_force(gateway: CatalogueClient) -> tuple[object, int]:
    assert gateway.catalogue is not None
    return gateway.catalogue.policies, gateway.policy_in_force


def test_it_is_verified_and_kept_and_what_was_in_force_stays(estate: Estate, gateway: CatalogueClient) -> None:
    estate.publish_policy(LOOSE, push=PUSH)

    gateway.update(estate.all_files(), NOW)

    for held in (gateway, again(estate)):
        assert in_force(held) == ((STRICT,), 2)
        assert held.versions()["policy"] == 3  # so that nobody sends it again
        assert held.newest is not None
        assert held.newest.policies == (LOOSE,)
        assert held.waiting is not None
        assert held.waiting.ends_at == NOW + DAY


def test_a_canary_goes_by_it_at_once(estate: Estate) -> None:
    estate.publish_policy(STRICT)
    canary = estate.gateway(capability=4, site=HALL)
    canary.update(estate.all_files(), NOW)
    estate.publish_policy(LOOSE, push=PUSH)
    canary.update(estate.all_files(), NOW)

    assert in_force(canary) == ((LOOSE,), 3)
    assert canary.waiting is None


def test_one_that_holds_nothing_goes_by_it_at_once(estate: Estate) -> None:
    estate.publish_policy(STRICT)
    estate.publish_policy(LOOSE, push=PUSH)
    new = estate.gateway(capability=4, site=SCHOOL)
    new.update(estate.all_files(), NOW)

    assert in_force(new) == ((LOOSE,), 3)


def test_one_that_missed_what_everybody_has_does_not_wait(estate: Estate) -> None:
    """Else a thief of the broker could keep an emergency push from a site by letting a staged one follow it."""
    away = estate.gateway(capability=4, site=SCHOOL)
    away.update(estate.all_files(), NOW)
    estate.publish_policy(STRICT)
    estate.publish_policy(LOOSE, push=PUSH)
    away.update(estate.all_files(), NOW)

    assert in_force(away) == ((LOOSE,), 3)


def test_the_signed_time_ends_it_and_that_is_kept(estate: Estate, gateway: CatalogueClient) -> None:
    estate.publish_policy(LOOSE, push=PUSH)
    gateway.update(estate.all_files(), NOW)

    assert gateway.settle(NOW + DAY - 1, ()) is None
    assert gateway.settle(NOW + DAY, ()) is Because.DEADLINE
    for held in (gateway, again(estate)):
        assert in_force(held) == ((LOOSE,), 3)
        assert held.settle(NOW + DAY, ()) is None


def test_it_ends_though_the_catalogue_expired_meanwhile(estate: Estate, gateway: CatalogueClient) -> None:
    """Nobody refreshes it, because the controller is gone."""
    push = msgspec.structs.replace(PUSH, not_after=NOW + 14 * DAY)
    estate.publish_policy(LOOSE, push=push)
    gateway.update(estate.all_files(), NOW)
    restarted = again(estate)

    assert restarted.is_expired(push.not_after)
    assert restarted.settle(push.not_after, ()) is Because.DEADLINE
    assert in_force(restarted) == ((LOOSE,), 3)


def test_an_order_that_names_this_very_text_ends_it(estate: Estate, gateway: CatalogueClient) -> None:
    estate.publish_policy(LOOSE, push=PUSH)
    digest = gateway.update(estate.all_files(), NOW).policy_digest

    assert gateway.settle(NOW, {(3, "0" * 64)}) is None
    assert gateway.settle(NOW, {(3, digest)}) is Because.ACTIVATED
    assert in_force(gateway) == ((LOOSE,), 3)


def test_an_order_that_overtook_the_catalogue_is_not_lost(estate: Estate, gateway: CatalogueClient) -> None:
    estate.publish_policy(LOOSE, push=PUSH)
    digest = estate.repository.catalogue().policy_digest
    gateway.update(estate.all_files(), NOW, {(3, digest)})

    assert in_force(gateway) == ((LOOSE,), 3)


def test_the_next_catalogue_without_stages_is_in_force_everywhere(estate: Estate, gateway: CatalogueClient) -> None:
    estate.publish_policy(LOOSE, push=PUSH)
    gateway.update(estate.all_files(), NOW)
    tight = policy(level=Level.QUARANTINE, version=3)
    estate.publish_policy(tight)
    gateway.update(estate.all_files(), NOW)

    for held in (gateway, again(estate)):
        assert in_force(held) == ((tight,), 4)
        assert held.waiting is None


def test_a_second_staged_one_waits_in_place_of_the_first(estate: Estate, gateway: CatalogueClient) -> None:
    estate.publish_policy(LOOSE, push=PUSH)
    gateway.update(estate.all_files(), NOW)
    third = policy(level=Level.BLOCK_EGRESS, version=3)
    estate.publish_policy(third, push=msgspec.structs.replace(PUSH, policy=4, base=2, not_after=NOW + 2 * DAY))
    gateway.update(estate.all_files(), NOW)

    assert in_force(again(estate)) == ((STRICT,), 2)
    restarted = again(estate)
    assert restarted.settle(NOW + 2 * DAY, ()) is Because.DEADLINE
    assert in_force(restarted) == ((third,), 4)


def test_what_is_not_policy_never_waits(estate: Estate, gateway: CatalogueClient) -> None:
    """A recall does not wait for a canary; and it neither ends nor lengthens the waiting of policy."""
    estate.publish_policy(LOOSE, push=PUSH)
    gateway.update(estate.all_files(), NOW)
    estate.publish_image(image(recalled=True))
    gateway.update(estate.all_files(), NOW + HOUR)

    for held in (gateway, again(estate)):
        assert in_force(held) == ((STRICT,), 2)
        assert held.catalogue is not None
        assert held.catalogue.images == (image(recalled=True),)
        assert held.waiting is not None
        assert held.waiting.since == NOW


def test_both_survive_an_exchange_of_the_online_keys(estate: Estate, gateway: CatalogueClient) -> None:
    """What waits and what is in force are verified by different roots then."""
    estate.publish_policy(LOOSE, push=PUSH)
    gateway.update(estate.all_files(), NOW)
    online = OnlineKeys(from_seed(b"s" * 32), from_seed(b"t" * 32), estate.keys.online.director)
    keys = {"snapshot": online.snapshot, "timestamp": online.timestamp}
    roles = {role: RoleKeys((key.public,), threshold=1) for role, key in keys.items()}
    change = estate.repository.propose_root(roles, prepared_by=estate.keys.root[0].id, now=NOW)
    estate.approve(change, *estate.keys.root)
    renewed = CatalogueRepository(estate.folder / "catalogue", online, write=write_unsynced)
    renewed.publish(change, now=NOW)
    gateway.update(renewed.bundle({}), NOW)
    assert gateway.versions()["root"] == 2

    assert in_force(again(estate)) == ((STRICT,), 2)


def test_a_full_disk_leaves_what_was_in_force(estate: Estate, gateway: CatalogueClient) -> None:
    def refuse(_path: Path, _data: bytes) -> None:
        raise Unavailable("the disk is full")

    estate.publish_policy(LOOSE, push=PUSH)
    full = CatalogueClient(estate.folder / "gateway", site=SCHOOL, capability=4, write=refuse)
    full.load()
    with pytest.raises(Unavailable):
        full.update(estate.all_files(), NOW)

    assert in_force(again(estate)) == in_force(full) == ((STRICT,), 2)


def test_a_file_that_lets_more_wait_than_was_signed_lets_nothing_wait(estate: Estate) -> None:
    """Somebody put the very first catalogue, which held no policy, before one that has passed it long ago."""
    old = estate.gateway("old", capability=4, site=SCHOOL)
    old.update(estate.all_files(), NOW)
    first = codec.decode((estate.folder / "old" / "last-good.json").read_bytes(), LastGood)
    estate.publish_policy(STRICT)
    gateway = estate.gateway(capability=4, site=SCHOOL)
    gateway.update(estate.all_files(), NOW)
    estate.publish_policy(LOOSE, push=PUSH)
    gateway.update(estate.all_files(), NOW)
    file = estate.folder / "gateway" / "last-good.json"
    kept = codec.decode(file.read_bytes(), LastGood)
    assert kept.before is not None
    forged = msgspec.structs.replace(kept.before, files=first.files, shared=())
    file.write_bytes(codec.encode(msgspec.structs.replace(kept, before=forged)))

    assert in_force(again(estate)) == ((LOOSE,), 3)


def test_stages_of_an_earlier_version_hold_nothing_back(estate: Estate, gateway: CatalogueClient) -> None:
    estate.publish_policy(LOOSE, push=PUSH)
    forger, keys = Forger(estate.all_files()), estate.keys
    tight = policy(level=Level.QUARANTINE, version=3)
    forger.put_target("policy", "policy/hikvision.json", codec.encode(tight), *keys.approvers[:2])
    forger.put_online(keys.online.snapshot, keys.online.timestamp, expires_at=NOW + DAY)
    gateway.update(forger.files, NOW)

    assert in_force(gateway) == ((tight,), 4)


def test_an_older_agent_refuses_it_whole(estate: Estate) -> None:
    """It would put it in force at once. It keeps what it has, and tells."""
    estate.publish_policy(STRICT)
    older = estate.gateway(capability=3)
    older.update(estate.all_files(), NOW)
    estate.publish_policy(LOOSE, push=PUSH)

    with pytest.raises(TooNew):
        older.update(estate.all_files(), NOW)
    assert in_force(older) == ((STRICT,), 2)


def test_it_cannot_be_taken_back_by_what_came_before(estate: Estate, gateway: CatalogueClient) -> None:
    former = estate.all_files()
    estate.publish_policy(LOOSE, push=PUSH)
    gateway.update(estate.all_files(), NOW)

    with pytest.raises(Stale):
        gateway.update(former, NOW)


class TestAtTheController:
    def test_stages_of_another_version_are_not_proposed(self, estate: Estate) -> None:
        with pytest.raises(Malformed, match="this will be policy 2"):
            estate.propose_policy(STRICT, push=PUSH)

    def test_stages_without_sense_are_not_proposed(self, estate: Estate) -> None:
        estate.publish_policy(STRICT)
        with pytest.raises(Malformed, match="canary"):
            estate.propose_policy(LOOSE, push=msgspec.structs.replace(PUSH, canary=()))

    def test_the_next_change_has_no_stages_unless_it_brings_its_own(self, estate: Estate) -> None:
        estate.publish_policy(STRICT)
        estate.publish_policy(LOOSE, push=PUSH)
        change = estate.propose_policy(policy(version=3))

        lines = estate.repository.describe(change).lines()
        assert any(line.startswith("policy/push.json") and line.endswith("(nothing)") for line in lines)
        estate.approve(change, *estate.keys.approvers[:2])
        estate.repository.publish(change, now=NOW)
        assert estate.repository.catalogue().push is None

    def test_who_approves_sees_the_stages(self, estate: Estate) -> None:
        estate.publish_policy(STRICT)
        change = estate.propose_policy(LOOSE, push=PUSH)

        lines = estate.repository.describe(change).lines()
        assert 'policy/push.json: canary: (nothing) -> ["town-hall"]' in lines
