"""The ruleset on disk, for the next boot: the last one applied and the one before it."""

from pathlib import Path

from bartizan_agent.durable import replace_file
from bartizan_agent.nftables.restore import CURRENT, PREVIOUS, seal, unseal


class StoredRulesets:
    """Keeps two transactions in the agent's state folder."""

    def __init__(self, folder: Path) -> None:
        self._current = folder / CURRENT
        self._previous = folder / PREVIOUS

    @property
    def is_there(self) -> bool:
        """Whether something is kept: somebody may have taken it away."""
        return self._current.exists()

    def keep(self, text: str) -> None:
        """Make `text` what the next boot enforces. Whole or not at all; what was kept before becomes the fallback.

        Raises:
            Unavailable: The disk refuses. What was kept before is still kept.
        """
        sealed = seal(text.encode())
        kept = self._read()
        if kept == sealed:
            return
        if unseal(kept) is not None:
            replace_file(self._previous, kept)
        replace_file(self._current, sealed)

    def _read(self) -> bytes:
        try:
            return self._current.read_bytes()
        except OSError:
            return b""
