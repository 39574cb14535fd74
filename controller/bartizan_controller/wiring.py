"""The interfaces between parts that are put together in `app`."""

from typing import Protocol

from bartizan.wire.down import CatalogueBundle


class Catalogue(Protocol):
    """The published catalogue, as the link needs it."""

    @property
    def versions(self) -> dict[str, int]:
        """The newest version of each role."""

    def bundle_since(self, held: dict[str, int]) -> CatalogueBundle:
        """Return the files that a gateway with these versions lacks."""
