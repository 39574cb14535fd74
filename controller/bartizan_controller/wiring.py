"""The interfaces between parts that are put together in `app`."""

from typing import Protocol

from bartizan.ids import SiteId
from bartizan.wire.down import CatalogueBundle


class Catalogue(Protocol):
    """The published catalogue, as the link needs it."""

    @property
    def versions(self) -> dict[str, int]:
        """The newest version of each role."""

    def serves(self, gateway: SiteId) -> SiteId:
        """Return the site whose policy and orders a gateway carries out: its own, or the one it stands by for."""

    def standbys(self, site: SiteId) -> tuple[SiteId, ...]:
        """Return the gateways that stand by for a site."""

    def bundle_since(self, held: dict[str, int]) -> CatalogueBundle:
        """Return the files that a gateway with these versions lacks."""
