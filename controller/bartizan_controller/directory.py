"""Where a controller keeps what: the layout of its folder, and the lock that lets only one process use it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bartizan_controller.errors import SetUpWrong


class Folder(msgspec.Struct, frozen=True):
    """The folder of one controller."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration. Written last when the folder is made, so that its presence means that all is there."""
        return self.root / "controller.toml"

    @property
    def database(self) -> Path:
        """SQLite's file, where no other database is configured."""
        return self.root / "controller.db"

    @property
    def keys(self) -> Path:
        """Online keys: snapshot, timestamp, director, the CA, and TLS keys."""
        return self.root / "keys"

    @property
    def catalogue(self) -> Path:
        """The TUF repository."""
        return self.root / "catalogue"

    @property
    def images(self) -> Path:
        """Firmware images, by SHA-256."""
        return self.root / "images"

    @property
    def broker(self) -> Path:
        """What mosquitto reads and writes; belongs to its user."""
        return self.root / "broker"

    @property
    def admin_token(self) -> Path:
        """The first administrator's API token, for scripts on this machine."""
        return self.root / "admin.token"

    @property
    def api_url(self) -> Path:
        """Where the running controller's API is reached on this machine."""
        return self.root / "api.url"

    @property
    def lock(self) -> Path:
        """Held by the process that uses the folder."""
        return self.root / "lock"

    def check(self) -> None:
        """Look whether a controller was made here.

        Raises:
            SetUpWrong: It was not, or not to the end.
        """
        if not self.config.exists():
            raise SetUpWrong(f"{self.root} holds no controller: make one with `bartizan-controller init {self.root}`")


class InUse(SetUpWrong):
    """Another process uses the folder."""


@contextlib.contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Use a folder alone. The lock ends with the process, however that ends.

    Raises:
        InUse: Another process does.
        SetUpWrong: The folder cannot be written.
    """
    try:
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SetUpWrong(f"{folder.root} cannot be written: run as its owner") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        cause = None if isinstance(error, BlockingIOError) else error  # which says no more than the sentence does
        raise InUse(f"{folder.root} is in use by a running controller: stop it first") from cause
    try:
        yield
    finally:
        os.close(descriptor)
