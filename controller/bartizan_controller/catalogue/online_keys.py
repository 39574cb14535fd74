"""The keys that stay with the controller. Whoever steals them can neither publish content nor loosen anything."""

from pathlib import Path

import msgspec

from bartizan.errors import Unavailable
from bartizan.trust import keys
from bartizan.trust.keys import SigningKey
from bartizan.trust.tufdata import SNAPSHOT, TIMESTAMP

DIRECTOR = "director"


class OnlineKeys(msgspec.Struct, frozen=True):
    """They sign the snapshot, the timestamp and the order books."""

    snapshot: SigningKey
    timestamp: SigningKey
    director: SigningKey


def load_online_keys(folder: Path) -> OnlineKeys:
    """Return the keys in `snapshot.pem`, `timestamp.pem` and `director.pem`.

    Raises:
        Unavailable: A file is not there or not readable.
        Malformed: One is no Ed25519 key, or has a passphrase.
    """
    return OnlineKeys(**{name: _load(key_file(folder, name), name) for name in (SNAPSHOT, TIMESTAMP, DIRECTOR)})


def key_file(folder: Path, name: str) -> Path:
    """Return where a key is kept."""
    return folder / f"{name}.pem"


def _load(path: Path, name: str) -> SigningKey:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: restore it, or rotate the key with a new root") from error
    return keys.from_pem(pem, holder=name)
