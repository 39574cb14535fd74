"""A gateway and its catalogue: what it takes in, and the attacks that it refuses while the last good one stands."""

import re
from typing import Any

import msgspec
import pytest
from tuf.api.metadata import Metadata

from bartizan.errors import BadSignature, Expired, Malformed, Stale, Unavailable
from bartizan.ids import ImageId
from bartizan.trust.keys import SigningKey, from_seed
from bartizan.trust.tufdata import moment, to_tuf_key
from bartizan.wire import codec
from bartizan_agent.catalogue import CatalogueClient, FolderFiles
from bartizan_agent.knowledge import known, packaged
from tests.trust.estate import DAY, NOW, SHA, Estate, Forger, image, policy, sign_with
from tests.trust.holding import LOOSE, approved_target, fingerprint, policies, refuses, reopened


class TestTakesIn:
    def test_a_first_catalogue(self, estate: Estate) -> None:
        gateway = estate.gateway()

        assert gateway.catalogue is None
        assert gateway.versions() == {}
        assert gateway.is_expired(NOW)

        gateway.update(estate.all_files(), NOW)

        assert gateway.versions() == dict.fromkeys(
            ("root", "timestamp", "snapshot", "targets", "policy", "firmware"), 1
        )
        assert not gateway.is_expired(NOW)

    def test_how_devices_give_themselves_away(self, estate: Estate, gateway: CatalogueClient) -> None:
        gateway.update(approved_target(estate, "policy/fingerprints.json", codec.encode([fingerprint("a")])), NOW)

        assert gateway.catalogue is not None
        assert known(gateway.catalogue).fingerprints == (fingerprint("a"),)

    def test_a_catalogue_from_before_fingerprints_were_signed(self, gateway: CatalogueClient) -> None:
        assert gateway.catalogue is not None
        assert known(gateway.catalogue).fingerprints == packaged().fingerprints

    def test_what_two_people_approved(self, estate: Estate, gateway: CatalogueClient) -> None:
        estate.publish_policy(LOOSE)
        gateway.update(estate.all_files(), NOW)

        assert policies(gateway) == (LOOSE,)

    def test_only_the_files_that_are_new(self, estate: Estate, gateway: CatalogueClient) -> None:
        estate.publish_policy(policy("axis"))
        files = estate.repository.bundle(gateway.versions())

        assert len(files) == 4  # policy, snapshot, timestamp, one target
        gateway.update(files, NOW)
        assert [each.id for each in policies(gateway)] == ["axis", "hikvision"]

    def test_the_same_again_without_touching_the_disk(self, estate: Estate, gateway: CatalogueClient) -> None:
        before = (gateway._folder / "last-good.json").stat().st_mtime_ns

        gateway.update(estate.all_files(), NOW + 60)
        gateway.update({}, NOW + 60)

        assert (gateway._folder / "last-good.json").stat().st_mtime_ns == before

    def test_a_newer_timestamp_alone(self, estate: Estate, gateway: CatalogueClient) -> None:
        estate.repository.refresh_online(NOW + 5 * DAY)
        gateway.update(estate.repository.bundle(gateway.versions()), NOW + 5 * DAY)

        assert not gateway.is_expired(NOW + 8 * DAY)

    def test_a_mirror_in_a_folder(self, estate: Estate) -> None:
        estate.publish_policy(policy())
        gateway = estate.gateway()

        gateway.update(FolderFiles(estate.folder / "catalogue"), NOW)

        assert policies(gateway) == (policy(),)

    def test_what_a_bundle_was_too_small_for_from_elsewhere(self, estate: Estate) -> None:
        estate.publish_policy(policy())
        gateway = estate.gateway()
        bundle = estate.repository.bundle({}, limit_octets=1)

        with pytest.raises(Unavailable):
            gateway.update(bundle, NOW)
        gateway.update(Elsewhere(bundle, FolderFiles(estate.folder / "catalogue")), NOW)
        assert policies(gateway) == (policy(),)

    def test_nothing_outside_a_mirrors_folder(self, estate: Estate) -> None:
        files = FolderFiles(estate.folder / "catalogue")

        for path in (
            "../online/director.pem",
            str(estate.folder / "online" / "director.pem"),
            "targets",
            "no such",
            "a\0b",
        ):
            with pytest.raises(KeyError):
                files[path]

    def test_images_as_their_approvers_described_them(self, estate: Estate, gateway: CatalogueClient) -> None:
        estate.publish_image(image())
        gateway.update(estate.all_files(), NOW)

        assert gateway.image(ImageId(f"sha256:{SHA}")) == image()
        assert gateway.image(ImageId("sha256:0")) is None

    def test_many_root_rotations_at_once(self, estate: Estate, gateway: CatalogueClient) -> None:
        for number in range(3):
            rotate_root(estate, note=f"rotation {number}")
        gateway.update(estate.repository.bundle(gateway.versions()), NOW)

        assert gateway.versions()["root"] == 4
        assert reopened(gateway).load() == gateway.catalogue


class TestRefuses:
    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "policy", "firmware", "targets"])
    def test_one_changed_digit_in_metadata(self, estate: Estate, role: str) -> None:
        forger = Forger(estate.all_files())
        name = next(name for name, data in forger.files.items() if data == forger.newest[role])
        forger.files[name] = re.sub(rb'"expires":"20', b'"expires":"21', forger.files[name])

        refuses(estate.gateway(), forger.files, BadSignature)

    def test_a_changed_policy_text(self, estate: Estate, gateway: CatalogueClient) -> None:
        estate.publish_policy(policy("axis"))
        files = {
            name: data.replace(b'"isolate"', b'"watch"') if "axis" in name else data
            for name, data in estate.all_files().items()
        }

        refuses(gateway, files, BadSignature)

    def test_a_forgery_of_what_is_held(self, estate: Estate, gateway: CatalogueClient) -> None:
        """It would do no harm; whoever watches has to hear of it."""
        files = {
            path: data.replace(b"isolate", b"watch  ") if path.startswith("targets/") else data
            for path, data in estate.all_files().items()
        }
        assert files != estate.all_files()

        refuses(gateway, files, BadSignature)

    def test_one_signature(self, estate: Estate, gateway: CatalogueClient) -> None:
        forger = Forger(estate.all_files())
        forger.put_target("policy", "policy/hikvision.json", codec.encode(LOOSE), estate.keys.approvers[0])
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, BadSignature)

    def test_the_same_signature_twice(self, estate: Estate, gateway: CatalogueClient) -> None:
        forger = Forger(estate.all_files())
        forger.put_target("policy", "policy/hikvision.json", codec.encode(LOOSE), estate.keys.approvers[0])
        doubled = forger.metadata("policy").to_dict()
        doubled["signatures"] *= 2
        forger.put_bytes("policy", 3, msgspec.json.encode(doubled))
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, Malformed)

    def test_a_key_that_signs_under_another_approvers_id(self, estate: Estate, gateway: CatalogueClient) -> None:
        forger = Forger(estate.all_files())
        first, second, _ = estate.keys.approvers
        forger.put_target("policy", "policy/hikvision.json", codec.encode(LOOSE), first)
        metadata = forger.metadata("policy")
        metadata.signatures[second.id] = type(metadata.signatures[first.id])(
            second.id, metadata.signatures[first.id].signature
        )
        forger.put_bytes("policy", 3, metadata.to_bytes())
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, BadSignature)

    def test_keys_of_another_role(self, estate: Estate, gateway: CatalogueClient) -> None:
        for keys in (estate.keys.root, estate.keys.targets):
            forger = Forger(estate.all_files())
            forger.put_target("policy", "policy/hikvision.json", codec.encode(LOOSE), *keys)
            forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

            refuses(gateway, forger.files, BadSignature)

    def test_a_policy_signed_by_the_firmware_role(self, estate: Estate, gateway: CatalogueClient) -> None:
        forger = Forger(estate.all_files())
        forger.put_target("firmware", "policy/hikvision.json", codec.encode(LOOSE), *estate.keys.approvers[:2])
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, Malformed)

    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "policy", "firmware"])
    def test_a_rollback_of_each_role_by_a_thief_of_the_online_keys(
        self, estate: Estate, gateway: CatalogueClient, role: str
    ) -> None:
        old = Forger(estate.all_files())
        resign_all(estate)
        gateway.update(estate.all_files(), NOW)
        forger = Forger(estate.all_files())
        if role in ("timestamp", "snapshot"):
            forger.files["metadata/timestamp.json"] = old.newest["timestamp"]
        else:
            forger.put_bytes(role, old.version[role], old.newest[role])
            forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, Stale)

    def test_a_rollback_after_the_online_keys_were_exchanged(self, estate: Estate, gateway: CatalogueClient) -> None:
        """TUF forgets versions then; the gateway remembers those that people signed."""
        old = Forger(estate.all_files())
        resign_all(estate)
        gateway.update(estate.all_files(), NOW)
        snapshot, timestamp = from_seed(b"s" * 32), from_seed(b"t" * 32)
        forger = Forger(estate.all_files())
        root = forger.metadata("root")
        root.signed.version += 1
        for role, key in (("snapshot", snapshot), ("timestamp", timestamp)):
            root.signed.revoke_key(root.signed.roles[role].keyids[0], role)
            root.signed.add_key(to_tuf_key(key.public), role)
        forger.put("root", root, *estate.keys.root)
        forger.put_bytes("policy", old.version["policy"], old.newest["policy"])
        forger.put_online(snapshot, timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, Stale)

    def test_a_freeze_is_noticed_when_the_timestamp_ends(self, gateway: CatalogueClient) -> None:
        assert not gateway.is_expired(NOW + 7 * DAY - 1)
        assert gateway.is_expired(NOW + 7 * DAY)

    def test_an_expired_timestamp(self, estate: Estate) -> None:
        gateway = estate.gateway()

        refuses(gateway, estate.all_files(), Expired, now=NOW + 7 * DAY)

    @pytest.mark.parametrize("role", ["root", "targets", "policy", "firmware"])
    def test_an_expired_role(self, estate: Estate, role: str) -> None:
        forger = Forger(estate.all_files())
        metadata = forger.metadata(role)
        metadata.signed.version += 1
        metadata.signed.expires = moment(NOW - 1)
        keys = {"root": estate.keys.root, "targets": estate.keys.targets}.get(role, estate.keys.approvers[:2])
        forger.put(role, metadata, *keys)
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(estate.gateway(), forger.files, Expired)

    def test_a_mix_of_versions(self, estate: Estate, gateway: CatalogueClient) -> None:
        first = estate.all_files()
        estate.publish_policy(LOOSE)
        second = estate.all_files()
        mixed = second | {"metadata/3.policy.json": first["metadata/2.policy.json"]}

        refuses(gateway, mixed, BadSignature)

    def test_a_root_signed_by_the_old_keys_only(self, estate: Estate, gateway: CatalogueClient) -> None:
        refuses(gateway, rotated_root(estate, signers=estate.keys.root), BadSignature)

    def test_a_root_signed_by_the_new_keys_only(self, estate: Estate, gateway: CatalogueClient) -> None:
        refuses(gateway, rotated_root(estate, signers=NEW_ROOT), BadSignature)

    def test_a_root_signed_by_one_old_key(self, estate: Estate, gateway: CatalogueClient) -> None:
        refuses(gateway, rotated_root(estate, signers=[estate.keys.root[0], *NEW_ROOT]), BadSignature)

    def test_a_root_that_skips_a_version(self, estate: Estate, gateway: CatalogueClient) -> None:
        forger = Forger(estate.all_files())
        root = forger.metadata("root")
        root.signed.version = 3
        sign_with(root, estate.keys.root)
        forger.files["metadata/2.root.json"] = root.to_bytes()

        refuses(gateway, forger.files, Stale)

    def test_a_root_that_needs_one_signature_only(self, estate: Estate, gateway: CatalogueClient) -> None:
        """Even both root keys together cannot take the second person away from policy."""
        forger = Forger(estate.all_files())
        root = forger.metadata("root")
        root.signed.version += 1
        root.signed.roles["targets"].threshold = 1
        forger.put("root", root, *estate.keys.root)

        refuses(gateway, forger.files, Malformed)

    def test_oversized_metadata(self, estate: Estate, gateway: CatalogueClient) -> None:
        forger = Forger(estate.all_files())
        forger.files["metadata/timestamp.json"] += b" " * 16 * 1024

        refuses(gateway, forger.files, Malformed)

    def test_a_missing_file_is_asked_for_again(self, estate: Estate, gateway: CatalogueClient) -> None:
        estate.publish_policy(policy("axis"))
        for missing in ("metadata/3.policy.json", "axis"):
            files = {name: data for name, data in estate.all_files().items() if missing not in name}

            refuses(gateway, files, Unavailable)

    def test_another_estates_catalogue(self, gateway: CatalogueClient, tmp_path: Any) -> None:
        refuses(gateway, Estate.found(tmp_path / "elsewhere").all_files(), BadSignature)


class TestClock:
    def test_the_time_that_is_passed_counts_not_the_machines(self, estate: Estate) -> None:
        gateway = estate.gateway()
        with pytest.raises(Expired):
            gateway.update(estate.all_files(), NOW + 366 * DAY)

        gateway.update(estate.all_files(), NOW)

    def test_a_clock_that_fell_back_does_not_revive_what_expired(
        self, estate: Estate, gateway: CatalogueClient
    ) -> None:
        stale = estate.all_files()
        estate.repository.refresh_online(NOW + 5 * DAY)
        gateway.update(estate.all_files(), NOW + 5 * DAY)

        assert gateway.clock_behind_seconds(0.0) == NOW + 5 * DAY
        assert gateway.clock_behind_seconds(NOW + 6 * DAY) == 0.0
        refuses(gateway, stale, Stale, now=0.0)
        assert not gateway.is_expired(0.0)

    def test_a_gateway_without_a_clock_learns_from_what_people_signed(self, estate: Estate) -> None:
        gateway = estate.gateway()
        gateway.update(estate.all_files(), 0.0)

        assert gateway.clock_behind_seconds(0.0) == NOW

    def test_a_gateway_without_a_clock_refuses_what_had_expired_before_its_newest_part(self, estate: Estate) -> None:
        forger = Forger(estate.all_files())
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW - 1)

        refuses(estate.gateway(), forger.files, Expired, now=0.0)

    def test_a_clock_far_ahead_accepts_nothing_and_leaves_no_mark(
        self, estate: Estate, gateway: CatalogueClient
    ) -> None:
        estate.publish_policy(policy("axis"))

        refuses(gateway, estate.all_files(), Expired, now=NOW + 3650 * DAY)
        gateway.update(estate.all_files(), NOW)
        assert len(policies(gateway)) == 2


class Elsewhere:
    """A bundle, and a server for what it lacks."""

    def __init__(self, bundle: dict[str, bytes], server: FolderFiles) -> None:
        self.bundle = bundle
        self.server = server

    def __getitem__(self, path: str) -> bytes:
        return self.bundle[path] if path in self.bundle else self.server[path]


def resign_all(estate: Estate) -> None:
    """Publish a next version of every role that holds targets, with the same content."""
    for role, keys in (
        ("targets", estate.keys.targets),
        ("policy", estate.keys.approvers[:2]),
        ("firmware", estate.keys.approvers[:2]),
    ):
        change_id = estate.repository.propose(role, add={}, prepared_by=keys[0].id, now=NOW)
        estate.approve(change_id, *keys)
        estate.repository.publish(change_id, now=NOW)


NEW_ROOT = (from_seed(b"1" * 32, "root-3"), from_seed(b"2" * 32, "root-4"))


def rotated_root(estate: Estate, signers: Any) -> dict[str, bytes]:
    """A bundle whose next root names `NEW_ROOT`, signed as said."""
    forger = Forger(estate.all_files())
    root: Metadata[Any] = forger.metadata("root")
    root.signed.version += 1
    for key_id in list(root.signed.roles["root"].keyids):
        root.signed.revoke_key(key_id, "root")
    for key in NEW_ROOT:
        root.signed.add_key(to_tuf_key(key.public), "root")
    forger.put("root", root, *signers)
    return forger.files


def rotate_root(estate: Estate, note: str) -> None:
    signers: tuple[SigningKey, ...] = estate.keys.root
    change_id = estate.repository.propose_root({}, prepared_by=signers[0].id, now=NOW, note=note)
    estate.approve(change_id, *signers)
    estate.repository.publish(change_id, now=NOW)
