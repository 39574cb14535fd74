"""Configurations of cameras, as read before an update: kept on the gateway, readable by its owner only.

They hold cameras' secrets in the vendors' own forms and never leave the gateway.
"""

import hashlib
import os
from pathlib import Path

from bartizan.errors import Unavailable
from bartizan.ids import DeviceId

KEPT_PER_DEVICE = 2


class Backups:
    """A folder with one folder per device."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, device: DeviceId, configuration: bytes, now: float) -> Path:
        """Keep a configuration, durably, and drop the oldest ones of the device.

        Raises:
            Unavailable: The disk is full or refuses.
        """
        folder = self._folder(device)
        path = folder / f"{int(now):011d}.bin"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path, configuration)
            for old in sorted(folder.glob("*.bin"))[:-KEPT_PER_DEVICE]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"the configuration of {device} could not be kept: {error.strerror}") from error
        return path

    def of(self, device: DeviceId) -> tuple[Path, ...]:
        """Return the kept configurations of a device, oldest first."""
        return tuple(sorted(self._folder(device).glob("*.bin")))

    def _folder(self, device: DeviceId) -> Path:
        # Identifiers come from devices: as file names only their digests are safe.
        return self._directory / hashlib.sha256(device.encode()).hexdigest()[:32]


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
