"""The catalogue as the gateways of one process hold it: verified once, by the agent's own client."""

import time
from pathlib import Path

from bartizan.errors import Stale
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan_agent.catalogue import CatalogueClient, keep_first_root

NOTHING = Catalogue(versions={}, expires_at=0.0, director=DirectorKeys({}))


class SharedCatalogue:
    """What a process of gateways knows of the catalogue. The same bytes are verified only the first time."""

    def __init__(self, folder: Path, root: bytes) -> None:
        keep_first_root(folder, root)
        self._client = CatalogueClient(folder)
        self._last: dict[str, bytes] = {}
        self.verified = 0
        """How often a bundle was really verified."""

    @property
    def newest(self) -> Catalogue:
        """The newest catalogue that any of the gateways accepted."""
        return self._client.catalogue or NOTHING

    def accept(self, files: dict[str, bytes]) -> Catalogue:
        """Return the catalogue that a gateway holds after these files arrived.

        Raises:
            Refused: They are not accepted.
            Unavailable: Something is missing; hello has to be said again.
        """
        if files != self._last:
            self.verified += 1
            try:
                self._client.update(files, time.time())
            except Stale:
                # Another gateway of this process was told of a newer one meanwhile: that one holds here too.
                if self._client.catalogue is None:
                    raise
            self._last = files
        return self.newest
