"""What tests of trust stand on: a founded estate with all its keys, and a forger who uses some of them at will."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, MetaFile, Signature, Snapshot, TargetFile, Timestamp

from bartizan.containment.level import Level
from bartizan.firmware.model import Image
from bartizan.ids import ImageId, PolicyId, SiteId
from bartizan.policy.model import Condition, Operator, Policy, Rule, Subject
from bartizan.trust.approval import signing_payload
from bartizan.trust.keys import SigningKey
from bartizan.trust.push import Push
from bartizan.trust.reading import PUSH_PATH
from bartizan.trust.tufdata import moment
from bartizan.wire import codec
from bartizan_agent.catalogue import CatalogueClient, keep_first_root
from bartizan_controller.catalogue import CatalogueRepository, ChangeId, FoundingKeys, found, make_keys

NOW = 1_800_000_000.0  # 2027-01-15
DAY = 86400.0
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
APPROVED = ("targets", "policy", "firmware")


class Estate:
    """One estate: its keys, its catalogue, and gateways as they are asked for."""

    def __init__(self, folder: Path, keys: FoundingKeys) -> None:
        self.folder = folder
        self.keys = keys
        self.repository = CatalogueRepository(folder / "catalogue", keys.online, write=write_unsynced)

    @classmethod
    def found(cls, folder: Path) -> Estate:
        keys = make_keys(folder / "online", folder / "offline")
        found(folder / "catalogue", keys, now=NOW)
        return cls(folder, keys)

    def copy(self, folder: Path) -> Estate:
        """The same estate in another folder, for a test to change."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Estate(folder, self.keys)

    def gateway(self, name: str = "gateway", *, capability: int = 1, site: SiteId | None = None) -> CatalogueClient:
        """A gateway that has enrolled and received nothing."""
        folder = self.folder / name
        keep_first_root(folder, self.repository.first_root(), write_unsynced)
        return CatalogueClient(folder, site=site, capability=capability, write=write_unsynced)

    def propose_policy(self, *policies: Policy, now: float = NOW, push: Push | None = None) -> ChangeId:
        add = {f"policy/{each.id}.json": codec.encode(each) for each in policies}
        add |= {PUSH_PATH: codec.encode(push)} if push else {}
        return self.repository.propose("policy", add=add, prepared_by=self.keys.approvers[0].id, now=now)

    def approve(self, change_id: ChangeId, *keys: SigningKey) -> None:
        for key in keys:
            review = self.repository.review(change_id)
            self.repository.sign(change_id, key.id, key.sign(signing_payload(review.role, review.proposed)))

    def publish_policy(self, *policies: Policy, now: float = NOW, push: Push | None = None) -> None:
        change_id = self.propose_policy(*policies, now=now, push=push)
        self.approve(change_id, *self.keys.approvers[:2])
        self.repository.publish(change_id, now=now)

    def publish_image(self, image: Image, now: float = NOW) -> None:
        change_id = self.repository.propose(
            "firmware",
            add={f"firmware/{image.file_name}": image},
            prepared_by=self.keys.approvers[0].id,
            now=now,
        )
        self.approve(change_id, *self.keys.approvers[1:])
        self.repository.publish(change_id, now=now)

    def all_files(self) -> dict[str, bytes]:
        return self.repository.bundle({})


def write_unsynced(path: Path, data: bytes) -> None:
    """Write at once, without waiting for the disk: these tests do not cut the power."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


class Forger:
    """Changes a bundle at will and signs with whatever keys it was given."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.newest = {
            role: self.files[max(self._names(role), key=lambda name: int(name.split("/")[1].split(".")[0]))]
            for role in ("root", "snapshot", *APPROVED)
        }
        self.newest["timestamp"] = self.files["metadata/timestamp.json"]
        self.version = {role: int(self.metadata(role).signed.version) for role in self.newest}

    def metadata(self, role: str) -> Metadata[Any]:
        return Metadata.from_bytes(self.newest[role])

    def put(self, role: str, metadata: Metadata[Any], *keys: SigningKey) -> None:
        """Publish this as the newest version of the role, with these keys' signatures and no others."""
        sign_with(metadata, keys)
        self.put_bytes(role, metadata.signed.version, metadata.to_bytes())

    def put_bytes(self, role: str, version: int, data: bytes) -> None:
        """Publish these bytes as the newest version of the role."""
        name = "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"
        self.files[f"metadata/{name}"] = self.newest[role] = data
        self.version[role] = version

    def put_target(self, role: str, path: str, content: bytes, *keys: SigningKey) -> None:
        """Add a small target in a new version of the role."""
        metadata = self.metadata(role)
        metadata.signed.version += 1
        metadata.signed.targets[path] = TargetFile.from_data(path, content)
        self.files[f"targets/{metadata.signed.targets[path].get_prefixed_paths()[0]}"] = content
        self.put(role, metadata, *keys)

    def put_online(self, snapshot_key: SigningKey, timestamp_key: SigningKey, *, expires_at: float) -> None:
        """Make a new snapshot and timestamp that name the newest versions."""
        named = {
            f"{role}.json": MetaFile.from_data(self.version[role], self.newest[role], ["sha256"]) for role in APPROVED
        }
        snapshot = Snapshot(version=self.version["snapshot"] + 1, expires=moment(expires_at), meta=named)
        self.put("snapshot", Metadata(snapshot), snapshot_key)
        meta = MetaFile.from_data(snapshot.version, self.newest["snapshot"], ["sha256"])
        timestamp = Timestamp(version=self.version["timestamp"] + 1, expires=moment(expires_at), snapshot_meta=meta)
        self.put("timestamp", Metadata(timestamp), timestamp_key)

    def _names(self, role: str) -> list[str]:
        return [name for name in self.files if name.startswith("metadata/") and name.endswith(f".{role}.json")]


def sign_with(metadata: Metadata[Any], keys: Iterable[SigningKey]) -> None:
    """Replace all signatures by these keys'."""
    metadata.signatures.clear()
    for key in keys:
        metadata.signatures[key.id] = Signature(key.id, key.sign(metadata.signed_bytes).hex())


def policy(name: str = "hikvision", *, level: Level | None = Level.ISOLATE, version: int = 1, needs: int = 1) -> Policy:
    return Policy(
        id=PolicyId(name),
        title="Cameras of one maker",
        version=version,
        needs_capability=needs,
        rules=(
            Rule(
                name="contain",
                when=Condition(Subject.MAKER, Operator.IS, ("hikvision",)),
                because="Ministers said so",
                contain=level,
            ),
        ),
    )


def image(sha256: str = SHA, *, file_name: str = "fw.bin", recalled: bool = False) -> Image:
    return Image(
        id=ImageId(f"sha256:{sha256}"),
        file_name=file_name,
        length=4,
        maker="hikvision",
        models=("DS-2CD2142FWD-I",),
        version="5.7.3",
        recalled=recalled,
    )
