"""Taking an asset list in, and comparing lists with what was found."""

import enum
from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import Connection

from bartizan.ids import SiteId, slug
from bartizan.wire import codec
from bartizan_controller.access import Person
from bartizan_controller.assets.csv_list import read_csv
from bartizan_controller.assets.model import Asset, AssetList, Places
from bartizan_controller.assets.netbox import read_netbox
from bartizan_controller.assets.reconcile import Outcome, Result, reconcile
from bartizan_controller.errors import NotFound
from bartizan_controller.store import assets, audit, organisations
from bartizan_controller.store.assets import Wanted

SITES_AT_ONCE = 1_000


class ListFormat(enum.Enum):
    """How a list is written."""

    CSV = "csv"
    NETBOX = "netbox"


class Imported(msgspec.Struct, frozen=True):
    """What an import did, or would do."""

    list: str
    assets: int
    left_out: dict[str, int]
    """How many entries are not expected on the network, by why."""
    added: int
    removed: int
    """Compared with what the list had before; a changed entry counts in both."""
    dry_run: bool


class Reconciliation(msgspec.Struct, frozen=True):
    """What was expected against what was found."""

    list: str
    expected: int
    counts: dict[str, int]
    """By result."""
    items: tuple[Outcome, ...]
    left_out: int
    """How many more there are than `items` has."""


def take_in(
    connection: Connection, person: Person, name: str, read: AssetList, *, dry_run: bool, now: float
) -> Imported:
    """Keep a list whole, in place of what it had before; with `dry_run`, only say what would change."""
    wanted = Wanted(person.scope, slug(name))
    before, after = _known(assets.load(connection, wanted)), _known(read.assets)
    imported = Imported(
        name, len(read.assets), read.left_out, len(after - before), len(before - after), dry_run=dry_run
    )
    if not dry_run:
        assets.replace(connection, name, person.scope, read.assets)
        detail = {"assets": str(imported.assets), "added": str(imported.added), "removed": str(imported.removed)}
        audit.record(connection, person.name, "assets.import", name, now=now, detail=detail)
    return imported


def read_list(octets: bytes, written: ListFormat, columns: Mapping[str, str], places: Places) -> AssetList:
    """Return the assets of a list.

    Raises:
        ValueError: With what is wrong in which line.
    """
    if written is ListFormat.NETBOX:
        if columns:
            raise ValueError("columns are mapped in CSV lists only")
        return read_netbox(octets, places)
    return read_csv(octets, columns, places)


def places(connection: Connection, person: Person, default: SiteId | None) -> Places:
    """Return the sites that somebody's list may name.

    Raises:
        NotFound: The default site is unknown, or not within their scope.
    """
    if default is not None:
        organisations.find_site(connection, default, person.scope)
    known: list[organisations.Site] = []
    after = ""
    while page := organisations.page_of_sites(connection, person.scope, after=after, limit=SITES_AT_ONCE):
        known += page
        after = page[-1].id
    return Places(known, default)


def forget(connection: Connection, person: Person, name: str, *, now: float) -> None:
    """Delete a list.

    Raises:
        NotFound: There is none of that name with assets within their scope.
    """
    if not assets.forget(connection, name, person.scope):
        raise NotFound(f"there is no asset list {name!r}: see `bartizan estate lists`")
    audit.record(connection, person.name, "assets.forget", name, now=now)


def compare(
    connection: Connection,
    person: Person,
    *,
    name: str | None,
    site: SiteId | None,
    results: Collection[Result],
    limit: int,
) -> Reconciliation:
    """Return how a list compares with what was found.

    Raises:
        NotFound: There is no such list or site within their scope.
        ValueError: There are several lists, and none is named.
    """
    if site is not None:
        organisations.find_site(connection, site, person.scope)
    wanted = Wanted(person.scope, _which(connection, person, name), site)
    expected = assets.load(connection, wanted)
    outcomes = reconcile(expected, assets.candidates(connection, wanted, expected))
    claimed = {(device.site, device.device) for outcome in outcomes for device in outcome.devices}
    counts = {result.value: sum(each.result is result for each in outcomes) for result in Result}
    counts[Result.UNEXPECTED.value], strangers = assets.unexpected(connection, wanted, claimed, limit=limit)
    shown = [each for each in outcomes if each.result in results]
    if Result.UNEXPECTED in results:
        shown += [Outcome(Result.UNEXPECTED, devices=(each,)) for each in strangers]
    every = sum(counts[result.value] for result in results)
    return Reconciliation(wanted.list or "", len(expected), counts, tuple(shown[:limit]), every - len(shown[:limit]))


def _which(connection: Connection, person: Person, name: str | None) -> str:
    held = [each.name for each in assets.lists(connection, person.scope)]
    if name is None and len(held) > 1:
        raise ValueError(f"there are several asset lists: say which of {', '.join(held)}")
    if not held or (name is not None and name not in held):
        which = f"there is no asset list {name!r}" if name else "no asset list was imported"
        raise NotFound(f"{which}: import one with `bartizan estate import`")
    return name or held[0]


def _known(read: Collection[Asset]) -> set[bytes]:
    return {codec.encode(msgspec.structs.replace(asset, line=0)) for asset in read}
