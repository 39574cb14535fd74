"""What the catalogue knows of makers, arranged for asking: by the words, numbers and fingerprints that devices show."""

from collections.abc import Iterable

from bartizan.identity.fingerprints import Fingerprint, Fingerprints
from bartizan.ids import Mac
from bartizan.policy.model import Maker


class Directory:
    """The makers and the fingerprints of one catalogue. Built once for it, asked for every device.

    Args:
        makers: Of the catalogue, or those packaged with the agent.
        fingerprints: Likewise.
    """

    def __init__(self, makers: Iterable[Maker], fingerprints: Iterable[Fingerprint]) -> None:
        self._makers = {maker.id: maker for maker in makers}
        self.fingerprints = Fingerprints(fingerprints)
        self._by_name = {
            word.casefold(): maker.id for maker in self._makers.values() for word in (maker.id, maker.name)
        }
        self._owner = {prefix.upper(): maker.id for maker in self._makers.values() for prefix in maker.oui}
        self._by_brand: dict[str, list[str]] = {}
        self._spelling: dict[str, str] = {}
        for maker in self._makers.values():
            for brand in maker.brands:
                self._by_brand.setdefault(brand.casefold(), []).append(maker.id)
                self._spelling.setdefault(brand.casefold(), brand)

    def name(self, maker: str) -> str:
        """Return how a maker is called."""
        return self._makers[maker].name if maker in self._makers else maker

    def named(self, word: str) -> str:
        """Return the maker that is called so; empty if none is."""
        return self._by_name.get(word.casefold(), "")

    def sellers(self, badge: str) -> tuple[str, ...]:
        """Return the makers whose units are sold under a badge."""
        owner = self.named(badge)
        return (owner,) if owner else tuple(self._by_brand.get(badge.casefold(), ()))

    def spelled(self, badge: str) -> str:
        """Return a badge as it is usually spelled."""
        owner = self.named(badge)
        return self.name(owner) if owner else self._spelling.get(badge.casefold(), badge)

    def owner(self, mac: Mac) -> str:
        """Return the maker with the longest registered prefix of a MAC address; empty if none has one.

        The registry gives out 24 bits, and parts of such a block with 28 or 36: whoever has the smaller part built it.
        """
        digits = mac.replace(":", "").upper()
        return next((self._owner[digits[:n]] for n in _PREFIX_DIGITS if digits[:n] in self._owner), "")


_PREFIX_DIGITS = (9, 7, 6)  # MA-S, MA-M, MA-L
