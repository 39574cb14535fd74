"""Whose product is meant, and which models: published names read into maker identifiers and model patterns."""

import re
from collections.abc import Iterable

import msgspec

from bartizan.firmware import patterns, versions
from bartizan.firmware.feeds.text import LIMIT, clean, plain
from bartizan.policy.model import Maker


class Models(msgspec.Struct, frozen=True):
    """The model patterns in a product's name, and what of it needs a person."""

    patterns: tuple[str, ...]
    doubts: tuple[str, ...] = ()


NAME_THE_MAKER = "say with --maker whose products these are"


class Vendors:
    """Finds makers by the names that publishers give them.

    Args:
        makers: Those that are known.
        only: If given, every product is this maker's, whatever the document says.
    """

    def __init__(self, makers: Iterable[Maker], only: str = "") -> None:
        self._only = only
        self._by_words: dict[tuple[str, ...], set[str]] = {}
        for maker in makers:
            for name in (maker.id, maker.name, *maker.brands):
                self._by_words.setdefault(_words(name), set()).add(maker.id)

    def maker(self, vendor: str) -> str:
        """Return the one maker that a vendor's name means; empty if none, or several that share a badge."""
        if self._only:
            return self._only
        words = _words(plain(vendor))
        runs = (words[start:end] for start in range(len(words)) for end in range(start + 1, len(words) + 1))
        found = {maker for run in runs for maker in self._by_words.get(run, ())}
        return found.pop() if len(found) == 1 else ""


def read_models(maker: str, product: str) -> Models:
    """Return the models that a product's name names. Without any, all of the name is a doubt."""
    said = plain(product)
    if said.casefold() in _WHOLE_RANGES.get(maker, ()):
        return Models(("*",))
    found: list[str] = []
    doubts: list[str] = []
    if len(product) > LIMIT:
        doubts.append(f"product {clean(product, 80)!r}… is too long")
    for name in _LIST.split(said):
        model = _model(name)
        if not name.strip():
            continue
        if not _is_model(maker, model):
            doubts.append(f"product {clean(name, 120)!r} names no model that can be read")
            continue
        found.append(model)
        if _may_be_several(model):
            doubts.append(f"model {model!r} may stand for several: write them out, or keep it")
    if not found and not doubts:
        doubts.append(f"product {clean(product, 120)!r} names no model")
    return Models(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(doubts)))


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9&']+", name.casefold()))[:24]


def _model(name: str) -> str:
    """Leave out what surrounds a model: `Uniview IP Camera IPC322LB-SF28-A`, `DS-2CD4xx5 Series`, `… 4P(B)`."""
    name = re.sub(r" ?/ ?", "/", re.sub(r"\b([A-Za-z]{2,4})- (?=\d)", r"\1-", name.strip(" ,;.:")))
    words = name.split()
    while words and not _has_figure(words[0]):
        words.pop(0)
    while len(words) > 1 and words[-1].casefold() in _TAIL:
        words.pop()
    return " ".join(words)


def _has_figure(word: str) -> bool:
    return any(character.isdecimal() for character in word) or "XXX" in word


def _is_model(maker: str, model: str) -> bool:
    return _PLAIN.fullmatch(model) is not None and patterns.readable(maker, model)


def _may_be_several(model: str) -> bool:
    """`DS-A71024/48R` is two models, `DS-7604NI-K1/4P` is one: only a person knows."""
    return "/" in re.sub(r"\([^()]*\)", "", model)


_LIST = re.compile(r",|;|\band\b|\bincluding\b.*\Z", re.IGNORECASE)
_TAIL = frozenset({"series", "firmware", "camera", "cameras", "device", "devices", "models", "model"})
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/.+()-]{2,59}(?: Pro| Mini| [IV]{1,3})?", re.ASCII)
_WHOLE_RANGES = {versions.AXIS: frozenset({"axis os", "axis os (firmware)"})}
"""Names of a maker's firmware for all its models."""
