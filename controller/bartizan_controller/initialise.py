"""Makes a new controller: keys, authority, database, first catalogue, first administrator. All of it, or nothing."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bartizan.firmware.source import read_advisories
from bartizan.identity.source import read_fingerprints
from bartizan.ids import slug
from bartizan.policy.source import read_makers
from bartizan.trust.approval import signing_payload
from bartizan.trust.tufdata import POLICY
from bartizan.wire import codec
from bartizan_controller import estate
from bartizan_controller.access import Role
from bartizan_controller.authority import Authority
from bartizan_controller.catalogue.founding import FoundingKeys, found, make_keys
from bartizan_controller.catalogue.repository import CatalogueRepository
from bartizan_controller.config import Config, check, render
from bartizan_controller.directory import Folder
from bartizan_controller.durable import replace_file
from bartizan_controller.errors import SetUpWrong
from bartizan_controller.store import audit, dialect, migrate
from bartizan_controller.store.database import Database

BY = "init"


class Plan(msgspec.Struct, frozen=True):
    """What is to be made."""

    folder: Folder
    offline: Path
    """Where the keys go that must not stay with the controller."""
    config: Config
    organisation: str
    data: Path | None = None
    """Folder of `makers.yaml` and `advisories/`; None: the first catalogue knows no makers."""
    passphrase: bytes | None = None
    """Encrypts the offline keys."""


class Made(msgspec.Struct, frozen=True):
    """What was made."""

    admin_token: str
    makers: int
    advisories: int


def initialise(plan: Plan, *, now: float) -> Made:
    """Make a controller.

    Raises:
        SetUpWrong: A folder or the database is not empty or cannot be written, or the data has a mistake. Nothing is
            left behind, save the tables of a PostgreSQL database.
        StoreRefuses: The database is away, or cannot be used.
    """
    check(plan.config)
    slug(plan.organisation)
    with _all_or_nothing(plan.folder.root), _all_or_nothing(plan.offline):
        Authority.found(plan.folder.keys, f"Bartizan CA of {plan.organisation}", now)
        keys = make_keys(plan.folder.keys, plan.offline, passphrase=plan.passphrase)
        repository = found(plan.folder.catalogue, keys, now=now)
        files = read_data(plan.data) if plan.data is not None else {}
        if files:
            _publish(repository, keys, files, now)
        catalogue = repository.catalogue()
        token = _fill_database(plan, now)
        replace_file(plan.folder.admin_token, f"{token}\n".encode())
        replace_file(plan.offline / "root.json", repository.first_root())
        replace_file(plan.folder.config, render(plan.config).encode())
    return Made(token, len(catalogue.makers), len(catalogue.advisories))


def read_data(folder: Path) -> dict[str, bytes]:
    """Return the targets that `makers.yaml`, `fingerprints.yaml` and `advisories/*.yaml` make, by target path.

    Raises:
        PolicyError: With every fault of the documents.
        SetUpWrong: A file cannot be read.
    """
    try:
        makers = read_makers((folder / "makers.yaml").read_text(encoding="utf-8"), "makers.yaml")
        text = (folder / "fingerprints.yaml").read_text(encoding="utf-8")
        fingerprints = read_fingerprints(text, "fingerprints.yaml", makers)
        advisories = [
            advisory
            for path in sorted((folder / "advisories").glob("*.yaml"))
            for advisory in read_advisories(path.read_text(encoding="utf-8"), path.name, makers)
        ]
    except OSError as error:
        raise SetUpWrong(
            f"{folder} cannot be read: give the folder of makers.yaml and fingerprints.yaml with --data"
        ) from error
    return {
        "policy/makers.json": codec.encode(makers),
        "policy/fingerprints.json": codec.encode(fingerprints),
        "policy/advisories.json": codec.encode(advisories),
    }


def _publish(repository: CatalogueRepository, keys: FoundingKeys, files: dict[str, bytes], now: float) -> None:
    preparer, other = keys.approvers[:2]
    change = repository.propose(
        POLICY, add=files, prepared_by=preparer.id, now=now, note="makers and advisories at founding"
    )
    payload = signing_payload(POLICY, repository.review(change).proposed)
    for key in (preparer, other):
        repository.sign(change, key.id, key.sign(payload))
    repository.publish(change, now=now)


def _fill_database(plan: Plan, now: float) -> str:
    url = plan.config.database or dialect.sqlite_url(plan.folder.database)
    migrate.upgrade(url)
    with Database(url) as database:
        if database.query(lambda c: audit.page(c, after=0, limit=1)):
            raise SetUpWrong("the database is another controller's, or was begun with: make an empty one")
        database.change(
            lambda c: estate.add_organisation(c, plan.organisation, plan.organisation, None, by=BY, now=now)
        )
        _, token = database.change(lambda c: estate.issue_token(c, "admin", (Role.ADMIN,), by=BY, now=now))
    plan.folder.database.chmod(0o600) if not plan.config.database else None
    return token


@contextlib.contextmanager
def _all_or_nothing(folder: Path) -> Iterator[None]:
    """Work in a folder that is empty or not there, and leave it so if the work fails."""
    was_there = folder.exists()
    try:
        if was_there and any(folder.iterdir()):
            raise SetUpWrong(f"{folder} is not empty: choose another folder, nothing is overwritten")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SetUpWrong(f"{folder} cannot be made: choose another folder, or run as its owner") from error
    try:
        yield
    except BaseException:
        _empty(folder)
        if not was_there:
            folder.rmdir()
        raise


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
