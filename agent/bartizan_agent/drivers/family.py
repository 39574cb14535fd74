"""Families of models that take updates alike: data, from each driver's `models.toml`."""

import enum
import fnmatch
import sys
from pathlib import Path

import msgspec


class Upload(enum.Enum):
    """How an image is handed over."""

    POST_RAW = "post-raw"
    PUT_RAW = "put-raw"
    PUT_MULTIPART = "put-multipart"
    POST_MULTIPART = "post-multipart"


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Models, and the quirks they share."""

    name: str
    models: tuple[str, ...]
    """Patterns of model names, `*` for anything; letter case does not count."""
    upload: Upload
    worst_case_seconds: float
    """From the first octet of the image until the camera has answered again, at worst. A window must hold it."""
    upload_seconds: float
    """For handing the image over, at worst."""
    source: str
    """Where these figures come from."""
    platforms: tuple[str, ...] = ()
    """Firmware family keys; empty for any."""
    field: str = ""
    """Name of the form field that carries the image, where it is a form."""
    rolls_back: bool = False
    """It can return to the image before, and does so by itself if the new one is not committed."""
    rolls_back_by_itself_seconds: float = 0.0
    """After its start on an uncommitted image, when it gives that image up."""
    needs: tuple[str, ...] = ()
    """What must be so on the camera, in words for the operator."""

    def covers(self, model: str, platform: str) -> bool:
        """Return whether a model of this platform belongs to the family."""
        if self.platforms and platform not in self.platforms:
            return False
        return any(fnmatch.fnmatchcase(model.lower(), pattern.lower()) for pattern in self.models)


def load_families(package: str) -> tuple[Family, ...]:
    """Return the families in a driver's `models.toml`, most particular first, as written.

    Raises:
        msgspec.ValidationError: The file has an unknown key or lacks one. It is part of the program.
    """
    # Not `importlib.resources`, which brings half a megabyte for archives.
    (folder,) = sys.modules[package].__path__
    return msgspec.toml.decode((Path(folder) / "models.toml").read_bytes(), type=_Models).family


class _Models(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    family: tuple[Family, ...]
