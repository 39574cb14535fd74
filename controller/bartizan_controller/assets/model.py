"""Assets as other lists have them, the places they may be at, and what is wrong with a list."""

from collections.abc import Iterable

import msgspec

from bartizan.ids import SiteId, address, mac
from bartizan_controller.inventory import name_key
from bartizan_controller.store.organisations import Site

ASSETS_AT_MOST = 200_000  # of one list
TOLD = 20  # faults of a list; a wrong column is wrong in every line

PLACEHOLDERS = frozenset({"-", "--", "?", "n/a", "na", "none", "null", "tbc", "tba", "unknown"})
"""What people write where they know nothing."""


class Asset(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device that a list says should be there. Empty text is not known."""

    site: SiteId
    line: int
    """Where it stands in the list."""
    name: str = ""
    serial: str = ""
    mac: str = ""
    address: str = ""
    maker: str = ""
    model: str = ""


class AssetList(msgspec.Struct, frozen=True):
    """A list as it was read."""

    assets: tuple[Asset, ...]
    left_out: dict[str, int]
    """How many entries are not expected on the network, by why."""


class Faults:
    """Everything that is wrong with one list."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._more = 0

    def add(self, where: str, what: str) -> None:
        """Keep a fault."""
        if len(self._faults) < TOLD:
            self._faults.append(f"{where}: {what}")
        else:
            self._more += 1

    def finish(self) -> None:
        """Refuse the list if anything was wrong.

        Raises:
            ValueError: With the faults.
        """
        if self._faults:
            more = [f"and {self._more} more"] if self._more else []
            raise ValueError("\n".join(["nothing was imported:", *self._faults, *more]))


class Places:
    """Sites by the names that lists give them."""

    def __init__(self, sites: Iterable[Site], default: SiteId | None = None) -> None:
        sites = tuple(sites)
        self._default = default
        self._by_id = {site.id: site.id for site in sites}
        self._by_title: dict[str, set[SiteId]] = {}
        for site in sites:
            self._by_title.setdefault(name_key(site.name), set()).add(site.id)

    def find(self, text: str, where: str, faults: Faults) -> SiteId:
        """Return the site that a list's entry names, by id or title."""
        found = [self._by_id[SiteId(text)]] if text in self._by_id else sorted(self._by_title.get(name_key(text), ()))
        if not text:
            if self._default is None:
                faults.add(where, "it has no site: fill it in, or say --site for the whole list")
            return self._default or SiteId("")
        if len(found) != 1:
            which = f"several sites are called {text!r}: give the id" if found else f"there is no site {text!r}"
            faults.add(where, f"{which}; see `bartizan site list`")
            return SiteId("")
        return found[0]


class Builder:
    """Makes assets of texts, and sees to it that no two answer to the same name."""

    def __init__(self, places: Places, faults: Faults) -> None:
        self._places = places
        self._faults = faults
        self._seen: dict[tuple[str, str, str], str] = {}
        self._assets: list[Asset] = []

    @property
    def assets(self) -> tuple[Asset, ...]:
        """What was made so far."""
        return tuple(self._assets)

    def add(self, where: str, line: int, fields: dict[str, str]) -> None:
        """Add an asset whose fields are texts of a list."""
        given = {name: _known(text) for name, text in fields.items()}
        asset = Asset(
            site=self._places.find(given.pop("site", ""), where, self._faults),
            line=line,
            name=given.get("name", ""),
            serial=given.get("serial", ""),
            mac=self._converted(where, given.get("mac", ""), "mac"),
            address=self._converted(where, given.get("address", ""), "address"),
            maker=given.get("maker", ""),
            model=given.get("model", ""),
        )
        if not (asset.serial or asset.mac or asset.address):
            self._faults.add(
                where, "it has neither serial number nor MAC nor address: nothing could be matched with it"
            )
        self._refuse_repetition(where, asset)
        if len(self._assets) == ASSETS_AT_MOST:
            self._faults.add(where, f"a list has at most {ASSETS_AT_MOST:,} entries: make several of it")
            self._faults.finish()
        self._assets.append(asset)

    def _converted(self, where: str, text: str, kind: str) -> str:
        try:
            if not text:
                return ""
            return mac(text) if kind == "mac" else address(text.partition("/")[0])
        except ValueError as error:
            self._faults.add(where, str(error))
            return ""

    def _refuse_repetition(self, where: str, asset: Asset) -> None:
        for kind, name, within in (
            ("serial number", asset.serial, ""),
            ("MAC", asset.mac, ""),
            ("address", asset.address, asset.site),
        ):
            if name:
                earlier = self._seen.setdefault((kind, within, name_key(name)), where)
                if earlier != where:
                    self._faults.add(where, f"{kind} {name} stands already in {earlier}")


def _known(text: str) -> str:
    text = " ".join(text.split())[:200]
    return "" if text.casefold() in PLACEHOLDERS else text
