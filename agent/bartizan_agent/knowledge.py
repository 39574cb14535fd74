"""What devices are judged by: makers, fingerprints and advisories, of the catalogue or as packaged with the agent."""

import functools
from pathlib import Path
from typing import TypeVar

import msgspec

from bartizan.firmware.model import Advisory
from bartizan.identity.directory import Directory
from bartizan.identity.fingerprints import Fingerprint
from bartizan.policy.model import Maker
from bartizan.trust.content import Catalogue

T = TypeVar("T")


class Knowledge(msgspec.Struct, frozen=True):
    """What is known of makers and of flaws, apart from any device."""

    makers: tuple[Maker, ...]
    fingerprints: tuple[Fingerprint, ...]
    advisories: tuple[Advisory, ...]

    @property
    def directory(self) -> Directory:
        """The makers and fingerprints, arranged for asking."""
        return _directory(self.makers, self.fingerprints)


def packaged() -> Knowledge:
    """Return what came with this version of the agent, for a gateway that has no catalogue."""
    return Knowledge(_read("makers.json", Maker), packaged_fingerprints(), _read("advisories.json", Advisory))


@functools.cache
def packaged_fingerprints() -> tuple[Fingerprint, ...]:
    """Return the fingerprints that came with this version of the agent."""
    return _read("fingerprints.json", Fingerprint)


def known(catalogue: Catalogue) -> Knowledge:
    """Return what a catalogue says; before there is one, what is packaged.

    A catalogue from before fingerprints were signed has none. The packaged ones count then, for they are what its
    agents went by.
    """
    if not catalogue.versions:
        return packaged()
    return Knowledge(catalogue.makers, catalogue.fingerprints or packaged_fingerprints(), catalogue.advisories)


@functools.lru_cache(maxsize=2)
def _directory(makers: tuple[Maker, ...], fingerprints: tuple[Fingerprint, ...]) -> Directory:
    return Directory(makers, fingerprints)


def _read(name: str, kind: type[T]) -> tuple[T, ...]:
    text = Path(__file__).with_name("data").joinpath(name).read_bytes()
    return tuple(msgspec.json.decode(text, type=list[kind]))  # type: ignore[valid-type]  # a type at run time
