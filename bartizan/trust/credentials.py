"""Camera credentials as they travel: sealed to one gateway's key, in the clear only inside its agent."""

import msgspec

from bartizan.ids import DeviceId


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user name and password. Never printed: `repr` hides the password."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credential(username={self.username!r}, password=…)"


class CredentialBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All credentials of one site: for single devices, and by maker for the rest."""

    generation: int
    devices: dict[DeviceId, Credential] = {}
    makers: dict[str, Credential] = {}
