"""What two people signed, and a gateway still does not believe."""

import hashlib

import msgspec
import pytest
from tuf.api.metadata import Key, TargetFile

from bartizan.errors import BadSignature, Malformed, TooNew
from bartizan.firmware.model import Image
from bartizan.trust.keys import PublicKey, from_seed
from bartizan.trust.tufdata import to_tuf_key
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan_agent.catalogue import CatalogueClient
from tests.trust.estate import DAY, NOW, SHA, Estate, Forger, image, policy
from tests.trust.holding import LOOSE, approved_target, fingerprint, refuses


class TestRefusesContent:
    """Two people signed it; it is still not believed when it breaks the rules of what a catalogue holds."""

    def test_a_policy_for_newer_programs_refuses_the_whole(self, estate: Estate, gateway: CatalogueClient) -> None:
        newer = codec.encode(policy("future", needs=CAPABILITY + 1)).replace(
            b'"title"', b'"unknown_restriction":true,"title"'
        )

        refuses(gateway, approved_target(estate, "policy/future.json", newer), TooNew)

    def test_a_role_for_newer_programs_is_too_new_before_it_is_malformed(
        self, estate: Estate, gateway: CatalogueClient
    ) -> None:
        forger = Forger(estate.all_files())
        metadata = forger.metadata("policy")
        metadata.signed.unrecognized_fields["x-bartizan-prepared"]["needs_capability"] = CAPABILITY + 1
        forger.put("policy", metadata)
        forger.put_target("policy", "policy/of the future.csv", b"", *estate.keys.approvers[:2])
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, TooNew)

    @pytest.mark.parametrize(
        ("path", "content"),
        [
            ("policy/axis.json", b"{}"),
            ("policy/axis.json", codec.encode(policy("axis")).replace(b'"title"', b'"surprise":1,"title"')),
            ("policy/axis.json", codec.encode(policy("another"))),
            ("policy/Axis.json", codec.encode(policy("Axis"))),
            ("policy/axis.txt", codec.encode(policy("axis"))),
            ("policy/waivers.json", b"[{}]"),
            ("policy/makers.json", b"{}"),
            ("policy/fingerprints.json", b"{}"),
            ("policy/fingerprints.json", codec.encode([fingerprint("(a+)+")])),
            ("policy/fingerprints.json", codec.encode([fingerprint("a"), fingerprint("b")])),
            ("policy/advisories.json", b"rubbish"),
            ("policy/sites-council.json", b'[{"id":"library","organisation":"another-council"}]'),
            ("policy/sites-council.json", b'[{"id":"a/b","organisation":"council"}]'),
            ("policy/sites-.json", b"[]"),
            (
                "policy/sites-council.json",
                b'[{"id":"library","organisation":"council"},{"id":"library","organisation":"council"}]',
            ),
            (
                "policy/makers.json",
                b'[{"id":"a","name":"","jurisdiction":"","source":""},{"id":"a","name":"","jurisdiction":"","source":""}]',
            ),
        ],
    )
    def test_a_target_that_is_not_of_its_type(
        self, estate: Estate, gateway: CatalogueClient, path: str, content: bytes
    ) -> None:
        refuses(gateway, approved_target(estate, path, content), Malformed)

    @pytest.mark.parametrize(
        "described",
        [
            None,
            {},
            msgspec.to_builtins(image("0" * 64)),
            msgspec.to_builtins(msgspec.structs.replace(image(), length=5)),
            msgspec.to_builtins(image(file_name="other.bin")),
            msgspec.to_builtins(image()) | {"surprise": 1},
        ],
    )
    def test_an_image_that_is_described_as_another(
        self, estate: Estate, gateway: CatalogueClient, described: object
    ) -> None:
        extra = {} if described is None else {"custom": described}
        target = TargetFile(4, {"sha256": SHA}, "firmware/fw.bin", extra)

        refuses(gateway, approved_image(estate, target), Malformed)

    def test_an_image_under_two_names(self, estate: Estate, gateway: CatalogueClient) -> None:
        def target(each: Image) -> TargetFile:
            path = f"firmware/{each.file_name}"
            return TargetFile(4, {"sha256": SHA}, path, {"custom": msgspec.to_builtins(each)})

        refuses(gateway, approved_image(estate, target(image()), target(image(file_name="b.bin"))), Malformed)

    @pytest.mark.parametrize("name", ["../fw.bin", "a/b.bin", ".hidden", "new\nline", ""])
    def test_an_image_with_a_path_for_a_name(self, estate: Estate, gateway: CatalogueClient, name: str) -> None:
        described = msgspec.to_builtins(image(file_name=name))
        target = TargetFile(4, {"sha256": SHA}, f"firmware/{name}", {"custom": described})

        refuses(gateway, approved_image(estate, target), Malformed)

    def test_a_target_signed_for_by_a_weak_hash(self, estate: Estate, gateway: CatalogueClient) -> None:
        content = codec.encode(policy("axis"))
        forger = Forger(estate.all_files())
        metadata = forger.metadata("policy")
        metadata.signed.version += 1
        weak = hashlib.md5(content).hexdigest()  # noqa: S324 - the attack
        metadata.signed.targets["policy/axis.json"] = TargetFile(len(content), {"md5": weak}, "policy/axis.json")
        forger.files[f"targets/policy/{weak}.axis.json"] = content
        forger.put("policy", metadata, *estate.keys.approvers[:2])
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, Malformed)

    def test_a_policy_in_the_top_level_role(self, estate: Estate, gateway: CatalogueClient) -> None:
        forger = Forger(estate.all_files())
        forger.put_target("targets", "policy/hikvision.json", codec.encode(LOOSE), *estate.keys.targets)
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, Malformed)

    def test_delegations_that_break_the_rule_of_two(self, estate: Estate, gateway: CatalogueClient) -> None:
        first, second, third = (to_tuf_key(key.public) for key in estate.keys.approvers)
        same_person = to_tuf_key(PublicKey(estate.keys.approvers[1].public.public, holder="approver-1"))
        online = to_tuf_key(estate.keys.online.snapshot.public)
        director = to_tuf_key(estate.keys.online.director.public)

        refuses(gateway, redelegated(estate, 1, [first, second, third]), Malformed)
        refuses(gateway, redelegated(estate, 2, [first]), BadSignature)
        refuses(gateway, redelegated(estate, 2, [first, same_person]), BadSignature)
        refuses(gateway, redelegated(estate, 2, [first, second, online]), Malformed)
        refuses(gateway, redelegated(estate, 2, [first, second, director]), Malformed)

    def test_a_director_under_a_false_id(self, estate: Estate, gateway: CatalogueClient) -> None:
        content = codec.encode({"keys": {"abc": from_seed(b"x" * 32).public.public}})
        forger = Forger(estate.all_files())
        forger.put_target("targets", "trust/director.json", content, *estate.keys.targets)
        forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)

        refuses(gateway, forger.files, Malformed)


def approved_image(estate: Estate, *targets: TargetFile) -> dict[str, bytes]:
    forger = Forger(estate.all_files())
    metadata = forger.metadata("firmware")
    metadata.signed.version += 1
    metadata.signed.targets |= {target.path: target for target in targets}
    forger.put("firmware", metadata, *estate.keys.approvers[:2])
    forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)
    return forger.files


def redelegated(estate: Estate, threshold: int, keys: list[Key]) -> dict[str, bytes]:
    """A bundle in which the owners of targets gave policy to these keys, who signed for it again."""
    forger = Forger(estate.all_files())
    metadata = forger.metadata("targets")
    metadata.signed.version += 1
    role = metadata.signed.delegations.roles["policy"]
    role.threshold, role.keyids = threshold, [key.keyid for key in keys]
    metadata.signed.delegations.keys |= {key.keyid: key for key in keys}
    forger.put("targets", metadata, *estate.keys.targets)
    forger.put("policy", forger.metadata("policy"), *estate.keys.approvers[:2])
    forger.put_online(estate.keys.online.snapshot, estate.keys.online.timestamp, expires_at=NOW + DAY)
    return forger.files
