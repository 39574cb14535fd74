"""Where the makers, fingerprints and advisories are that came with this installation."""

import sys
from pathlib import Path

import bartizan

SHARED_DATA = "share/bartizan/policies"


def shipped_data() -> Path | None:
    """Return their folder, if there is one."""
    candidates = (
        Path(bartizan.__file__).parents[1] / "policies",  # a checkout, before the copy that installing it made
        Path(sys.prefix) / SHARED_DATA,
        Path("/usr") / SHARED_DATA,
    )
    return next((path for path in candidates if (path / "makers.yaml").is_file()), None)
