"""What a thief gains by what is stolen. Every row is tried with the real keys against a real gateway.

| stolen                                    | darken cameras | loosen policy | install an unvetted image |
|-------------------------------------------|----------------|---------------|---------------------------|
| the broker                                | no             | no            | no                        |
| a gateway, with its keys                  | its own        | its own       | no                        |
| the controller: snapshot, timestamp,      |                |               |                           |
| director, disk                            | yes            | no            | no                        |
| one approver's key                        | no             | no            | no                        |
| one approver's key and the controller     | yes            | no            | no                        |
| one root key, or one targets key          | no             | no            | no                        |
| two approvers' keys                       | no             | no            | no                        |
| two approvers' keys and the controller    | yes            | yes           | yes                       |
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bartizan.containment.level import Level
from bartizan.errors import BadSignature, Loosens, Malformed, Refused, Stale, Unavailable
from bartizan.firmware.model import Image
from bartizan.ids import DeviceId, ImageId, OrderId, PolicyId, RolloutId, SiteId, WaiverId
from bartizan.policy.model import Waiver
from bartizan.trust import dsse
from bartizan.trust.accept import accept, vetted_image
from bartizan.trust.catalogue import RoleKeys, image_path
from bartizan.trust.content import Catalogue
from bartizan.trust.credentials import Credential, CredentialBook
from bartizan.trust.keys import SigningKey, from_seed
from bartizan.trust.orders import PAYLOAD_TYPE, Activate, Install, OrderBook, Raise
from bartizan.trust.push import Because, Push
from bartizan.trust.sealing import open_sealed, public_text, seal
from bartizan.trust.tufdata import to_tuf_key
from bartizan.wire import codec
from bartizan_agent.catalogue import CatalogueClient
from bartizan_controller.catalogue import director_keys
from bartizan_controller.director import Director
from tests.trust.estate import DAY, NOW, Estate, Forger, image, policy

WAIVER = Waiver(
    id=WaiverId("w1"),
    owner="estates",
    reason="lens being replaced",
    compensating_control="guard",
    starts_at=NOW,
    expires_at=NOW + 30 * DAY,
    policies=(PolicyId("hikvision"),),
    level=Level.WATCH,
)
HALL, LIBRARY = SiteId("town-hall"), SiteId("library")
CREDENTIALS = CredentialBook(generation=1, makers={"axis": Credential("root", "pa55word")})
EVIL = image("e" * 64, file_name="evil.bin")


class Heist:
    """A thief with some keys, and a gateway that holds an isolating policy."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        estate.publish_policy(policy())
        self.gateway: CatalogueClient = estate.gateway()
        self.gateway.update(estate.all_files(), NOW)
        self.forger = Forger(estate.all_files())

    @property
    def held(self) -> Catalogue:
        assert self.gateway.catalogue is not None
        return self.gateway.catalogue

    def publish_policy(self, *signers: SigningKey, online: bool) -> Catalogue:
        """Put a policy that only watches in place of the one that isolates."""
        content = codec.encode(policy(level=Level.WATCH, version=2))
        self.forger.put_target("policy", "policy/hikvision.json", content, *signers)
        return self._deliver(online=online)

    def publish_waiver(self, *signers: SigningKey, online: bool) -> Catalogue:
        self.forger.put_target("policy", "policy/waivers.json", codec.encode([WAIVER]), *signers)
        return self._deliver(online=online)

    def publish_image(self, *signers: SigningKey, online: bool) -> Catalogue:
        from tuf.api.metadata import TargetFile

        metadata = self.forger.metadata("firmware")
        metadata.signed.version += 1
        path = image_path(EVIL)
        custom = {"custom": msgspec.to_builtins(EVIL)}
        metadata.signed.targets[path] = TargetFile(EVIL.length, {"sha256": "e" * 64}, path, custom)
        self.forger.put("firmware", metadata, *signers)
        return self._deliver(online=online)

    def order(self, book: OrderBook, key: SigningKey) -> OrderBook:
        envelope = Director(key).sign(book)
        return accept(envelope, self.held.director, held=None, scope=None, now=NOW, capability=1)

    def _deliver(self, *, online: bool) -> Catalogue:
        if online:
            keys = self.estate.keys.online
            self.forger.put_online(keys.snapshot, keys.timestamp, expires_at=NOW + DAY)
        return self.gateway.update(self.forger.files, NOW)


@pytest.fixture
def heist(estate: Estate) -> Heist:
    return Heist(estate)


def book(*orders: Raise | Install) -> OrderBook:
    return OrderBook(generation=1, issued_at=NOW, expires_at=NOW + DAY, capability=1, orders=orders)


DARKEN = Raise(OrderId("o1"), Level.QUARANTINE, "because I can", "thief")
FLASH = Install(OrderId("o2"), RolloutId("r"), DeviceId("d"), EVIL.id)


class TestStolenBroker:
    def test_cannot_order(self, heist: Heist) -> None:
        with pytest.raises(BadSignature):
            heist.order(book(DARKEN), from_seed(b"x" * 32))

    def test_cannot_publish(self, heist: Heist) -> None:
        key = from_seed(b"x" * 32)
        heist.forger.put_online(key, key, expires_at=NOW + DAY)

        with pytest.raises(BadSignature):
            heist.gateway.update(heist.forger.files, NOW)

    def test_cannot_bring_back_orders_that_were_replaced(self, heist: Heist) -> None:
        """It kept the envelope of every book that passed through it."""
        director = Director(heist.estate.keys.online.director)
        loose = director.sign(book())
        newer = director.sign(msgspec.structs.replace(book(DARKEN), generation=2))
        trusted = {"scope": None, "now": NOW, "capability": 1}
        held = accept(newer, heist.held.director, held=None, **trusted)  # type: ignore[arg-type]

        with pytest.raises(Stale):
            accept(loose, heist.held.director, held=held, **trusted)  # type: ignore[arg-type]

    def test_cannot_read_credentials_that_pass_through_it(self) -> None:
        sealed = seal(CREDENTIALS, HALL, public_text(X25519PrivateKey.from_private_bytes(b"s" * 32)))

        assert b"pa55word" not in codec.encode(sealed)
        with pytest.raises(BadSignature):
            open_sealed(sealed, HALL, X25519PrivateKey.from_private_bytes(b"t" * 32), held_generation=0)


class TestStolenGateway:
    """The keys of one site's agent, and all that it holds."""

    own = X25519PrivateKey.from_private_bytes(b"s" * 32)

    def test_can_open_the_credentials_of_its_own_site(self) -> None:
        sealed = seal(CREDENTIALS, HALL, public_text(self.own))

        assert open_sealed(sealed, HALL, self.own, held_generation=0) == CREDENTIALS

    def test_cannot_open_those_of_another(self) -> None:
        sealed = seal(CREDENTIALS, LIBRARY, public_text(X25519PrivateKey.from_private_bytes(b"l" * 32)))

        for passed_off in (LIBRARY, HALL):
            with pytest.raises(BadSignature):
                open_sealed(sealed, passed_off, self.own, held_generation=0)

    def test_cannot_order_or_publish(self, heist: Heist) -> None:
        """No key of a gateway signs anything that another gateway believes."""
        key = from_seed(self.own.private_bytes_raw(), "gateway")

        with pytest.raises(BadSignature):
            heist.order(book(DARKEN), key)
        for publish in (heist.publish_policy, heist.publish_waiver, heist.publish_image):
            with pytest.raises(BadSignature):
                publish(key, online=True)
        assert heist.held.policies == (policy(),)


class TestStolenController:
    """Snapshot, timestamp and director keys, the disk, the certificate authority."""

    def test_can_darken_until_the_director_is_exchanged(self, heist: Heist) -> None:
        director = heist.estate.keys.online.director
        obeyed = heist.order(book(DARKEN), director)
        assert obeyed.orders == (DARKEN,)

        with pytest.raises(BadSignature):
            accept(
                Director(director).sign(msgspec.structs.replace(obeyed, generation=2**52)),
                director_keys(from_seed(b"n" * 32)),
                held=obeyed,
                scope=None,
                now=NOW,
                capability=1,
            )

    @pytest.mark.parametrize("kind", ["lower", "release", "allow", "waive"])
    def test_cannot_say_anything_that_loosens(self, heist: Heist, kind: str) -> None:
        fields = json.loads(codec.encode(book(DARKEN)))
        fields["orders"] = [{"type": kind, "id": "o1", "level": "watch", "reason": "", "by": "thief"}]
        envelope = dsse.sign(json.dumps(fields).encode(), PAYLOAD_TYPE, [heist.estate.keys.online.director])

        with pytest.raises(Loosens):
            accept(envelope, heist.held.director, held=None, scope=None, now=NOW, capability=1)

    def test_cannot_publish_policy(self, heist: Heist) -> None:
        online = heist.estate.keys.online

        with pytest.raises(BadSignature):
            heist.publish_policy(online.snapshot, online.timestamp, online.director, online=True)
        assert heist.held.policies == (policy(),)

    def test_cannot_publish_a_waiver(self, heist: Heist) -> None:
        with pytest.raises(BadSignature):
            heist.publish_waiver(heist.estate.keys.online.director, online=True)
        assert heist.held.waivers == ()

    def test_can_assign_what_two_people_vetted(self, heist: Heist) -> None:
        vetted = image()
        heist.estate.publish_image(vetted)
        heist.gateway.update(heist.estate.all_files(), NOW)
        order = msgspec.structs.replace(FLASH, image=vetted.id)
        obeyed = heist.order(book(order), heist.estate.keys.online.director)

        assert obeyed.orders == (order,)
        assert vetted_image(order, heist.held, NOW) == vetted

    def test_cannot_install_what_nobody_vetted(self, heist: Heist) -> None:
        obeyed = heist.order(book(FLASH), heist.estate.keys.online.director)
        assert obeyed.orders == (FLASH,)

        with pytest.raises(Refused, match="does not hold"):
            vetted_image(FLASH, heist.held, NOW)
        with pytest.raises(BadSignature):
            heist.publish_image(heist.estate.keys.online.director, online=True)

    def test_cannot_bring_back_a_recalled_image(self, heist: Heist) -> None:
        vetted: Image = image()
        heist.estate.publish_image(vetted)
        before_recall = Forger(heist.estate.all_files())
        heist.estate.publish_image(image(recalled=True))
        heist.gateway.update(heist.estate.all_files(), NOW)
        forger = Forger(heist.estate.all_files())
        forger.put_bytes("firmware", before_recall.version["firmware"], before_recall.newest["firmware"])
        online = heist.estate.keys.online
        forger.put_online(online.snapshot, online.timestamp, expires_at=NOW + DAY)

        with pytest.raises(Refused):
            heist.gateway.update(forger.files, NOW)
        held = heist.gateway.image(ImageId(vetted.id))
        assert held is not None
        assert held.recalled

    def test_cannot_extend_what_people_signed(self, heist: Heist) -> None:
        """It can keep the timestamp fresh for ever; the catalogue ends when the people's signatures end."""
        online = heist.estate.keys.online
        heist.forger.put_online(online.snapshot, online.timestamp, expires_at=NOW + 3650 * DAY)
        heist.gateway.update(heist.forger.files, NOW)

        assert not heist.gateway.is_expired(NOW + 364 * DAY)
        assert heist.gateway.is_expired(NOW + 365 * DAY)

    def test_cannot_take_a_policy_away_by_leaving_its_file_out(self, heist: Heist) -> None:
        keys = heist.estate.keys.online
        heist.forger.put_online(keys.snapshot, keys.timestamp, expires_at=NOW + DAY)
        files = {name: data for name, data in heist.forger.files.items() if "hikvision" not in name}
        fresh = heist.estate.gateway("fresh")

        with pytest.raises(Unavailable):
            fresh.update(files, NOW)

    def test_cannot_name_another_director_or_approver(self, heist: Heist) -> None:
        online = heist.estate.keys.online
        content = codec.encode(director_keys(from_seed(b"n" * 32)))
        heist.forger.put_target("targets", "trust/director.json", content, online.snapshot, online.director)

        with pytest.raises(BadSignature):
            heist._deliver(online=True)


class TestStolenPush:
    """Policy that two people signed goes out in stages, and waits at this gateway for its turn."""

    @pytest.fixture
    def waiting(self, heist: Heist) -> CatalogueClient:
        push = Push(policy=3, base=2, canary=(LIBRARY,), not_after=NOW + DAY)
        gateway = heist.estate.gateway("school", capability=4, site=HALL)
        gateway.update(heist.estate.all_files(), NOW)
        heist.estate.publish_policy(policy(level=Level.WATCH, version=2), push=push)
        gateway.update(heist.estate.all_files(), NOW)
        return gateway

    def test_the_director_can_skip_the_canary_for_what_was_signed(self, heist: Heist, waiting: CatalogueClient) -> None:
        assert waiting.newest is not None
        order = Activate(OrderId("o3"), 3, waiting.newest.policy_digest)
        signed = Director(heist.estate.keys.online.director).sign(
            msgspec.structs.replace(book(), capability=4, orders=(order,))
        )
        obeyed = accept(signed, heist.held.director, held=None, scope=None, now=NOW, capability=4)

        assert obeyed.orders == (order,)
        assert waiting.settle(NOW, {(order.policy, order.digest)}) is Because.ACTIVATED

    @pytest.mark.parametrize("order", [(3, "0" * 64), (2, "0" * 64), (4, "0" * 64)])
    def test_the_director_cannot_put_another_text_in_force(
        self, waiting: CatalogueClient, order: tuple[int, str]
    ) -> None:
        assert waiting.settle(NOW, {order}) is None
        assert waiting.policy_in_force == 2

    def test_the_broker_cannot_order_it(self, heist: Heist, waiting: CatalogueClient) -> None:
        assert waiting.newest is not None
        forged = Director(from_seed(b"x" * 32)).sign(
            msgspec.structs.replace(
                book(), capability=4, orders=(Activate(OrderId("o3"), 3, waiting.newest.policy_digest),)
            )
        )

        with pytest.raises(BadSignature):
            accept(forged, heist.held.director, held=None, scope=None, now=NOW, capability=4)

    def test_the_controller_cannot_hold_it_back_for_longer_than_was_signed(self, waiting: CatalogueClient) -> None:
        """Whatever it says or leaves unsaid."""
        assert waiting.settle(NOW + DAY - 1, ()) is None
        assert waiting.settle(NOW + DAY, ()) is Because.DEADLINE

    def test_the_controller_cannot_change_the_stages(self, heist: Heist, waiting: CatalogueClient) -> None:
        online, forger = heist.estate.keys.online, Forger(heist.estate.all_files())
        wider = Push(policy=4, base=2, canary=(LIBRARY, HALL), not_after=NOW + 2 * DAY)
        forger.put_target("policy", "policy/push.json", codec.encode(wider), online.snapshot, online.director)
        forger.put_online(online.snapshot, online.timestamp, expires_at=NOW + DAY)

        with pytest.raises(BadSignature):
            waiting.update(forger.files, NOW)
        assert waiting.policy_in_force == 2


class TestStolenApprover:
    def test_cannot_publish_alone(self, heist: Heist) -> None:
        approver = heist.estate.keys.approvers[0]

        with pytest.raises(Refused):
            heist.order(book(DARKEN), approver)
        assert heist.publish_policy(approver, online=False).policies == (policy(),)

    def test_cannot_publish_with_the_controller(self, heist: Heist) -> None:
        approver = heist.estate.keys.approvers[0]

        for publish in (heist.publish_policy, heist.publish_waiver, heist.publish_image):
            with pytest.raises(BadSignature):
                publish(approver, online=True)
        with pytest.raises(BadSignature):
            heist.publish_policy(approver, heist.estate.keys.online.director, online=True)
        assert heist.held.policies == (policy(),)

    def test_cannot_become_two_people(self, heist: Heist) -> None:
        """Naming a second key of one's own needs the owners of targets."""
        approver, own = heist.estate.keys.approvers[0], from_seed(b"x" * 32, "approver-4")
        targets = heist.forger.metadata("targets")
        targets.signed.version += 1
        targets.signed.add_key(to_tuf_key(own.public), "policy")
        heist.forger.put("targets", targets, approver, own)

        with pytest.raises(BadSignature):
            heist.publish_policy(approver, own, online=True)

    def test_two_without_the_controller_reach_nobody(self, heist: Heist) -> None:
        """Their version is valid, but no snapshot names it."""
        assert heist.publish_policy(*heist.estate.keys.approvers[:2], online=False).policies == (policy(),)


class TestStolenOwner:
    def test_one_root_key_cannot_rotate(self, heist: Heist) -> None:
        root = heist.forger.metadata("root")
        root.signed.version += 1
        heist.forger.put("root", root, heist.estate.keys.root[0])

        with pytest.raises(BadSignature):
            heist.gateway.update(heist.forger.files, NOW)

    def test_one_targets_key_cannot_delegate(self, heist: Heist) -> None:
        targets = heist.forger.metadata("targets")
        targets.signed.version += 1
        heist.forger.put("targets", targets, heist.estate.keys.targets[0])

        with pytest.raises(BadSignature):
            heist._deliver(online=True)

    def test_root_keys_that_were_exchanged_are_worth_nothing(self, heist: Heist, tmp_path: Path) -> None:
        """Both old root keys can sign another second root; a gateway that holds the real one is not led astray."""
        estate, thief = heist.estate, Heist(Estate.found(tmp_path / "thief"))
        new = (from_seed(b"1" * 32, "root-3"), from_seed(b"2" * 32, "root-4"))
        roles = {"root": RoleKeys(tuple(key.public for key in new))}
        change_id = estate.repository.propose_root(roles, prepared_by=estate.keys.root[0].id, now=NOW)
        estate.approve(change_id, *estate.keys.root, *new)
        estate.repository.publish(change_id, now=NOW)
        heist.gateway.update(estate.all_files(), NOW)
        held = heist.held

        root = thief.forger.metadata("root")
        root.signed.version = 2
        thief.forger.put("root", root, *estate.keys.root, *thief.estate.keys.root)
        thief.forger.put_online(
            thief.estate.keys.online.snapshot, thief.estate.keys.online.timestamp, expires_at=NOW + DAY
        )

        with pytest.raises(Refused):
            heist.gateway.update(thief.forger.files, NOW)
        assert heist.held == held
        mixed = {**estate.all_files(), "metadata/2.root.json": thief.forger.newest["root"]}
        heist.gateway.update(mixed, NOW)
        assert CatalogueClient(estate.folder / "gateway").load() == held

    def test_both_root_keys_cannot_drop_the_second_person(self, heist: Heist) -> None:
        root = heist.forger.metadata("root")
        root.signed.version += 1
        root.signed.roles["targets"].threshold = 1
        heist.forger.put("root", root, *heist.estate.keys.root)

        with pytest.raises(Malformed):
            heist.gateway.update(heist.forger.files, NOW)


def test_the_table_is_not_vacuous_two_approvers_and_the_controller_do_publish(heist: Heist) -> None:
    approvers = heist.estate.keys.approvers[:2]

    assert heist.publish_policy(*approvers, online=True).policies == (policy(level=Level.WATCH, version=2),)
    assert heist.publish_waiver(*approvers, online=True).waivers == (WAIVER,)
    assert heist.publish_image(*approvers, online=True).images == (EVIL,)
    assert vetted_image(FLASH, heist.held, NOW) == EVIL
