"""Where sources contradict what a device is taken to be. Sources differ in how much they print: that is no dispute."""

from collections.abc import Callable, Iterable, Iterator

from bartizan.identity import dialects
from bartizan.identity.model import Evidence, Fact, Identity, Kind


def agrees(item: Evidence, identity: Identity) -> bool | None:
    """Return whether a statement is in keeping with the verdict; None where it is of no account for it."""
    compare = _COMPARED.get(item.fact)
    if compare is None or not item.value or item.weight <= 0:
        return None
    return compare(item.value, identity)


def disputes(identity: Identity, evidence: Iterable[Evidence]) -> Iterator[str]:
    """Yield every contradiction as a reason."""
    for item in evidence:
        if agrees(item, identity) is False:
            by = f"{dialects.NAMES[item.source]}{f' ({item.detail})' if item.detail else ''}"
            yield f"conflict: {item.fact.value} {item.value} by {by}, weight {item.weight}"


def _model(value: str, identity: Identity) -> bool | None:
    if dialects.GENERIC_MODEL.match(value):
        return None
    return _is_part(value, identity.model)


def _firmware(value: str, identity: Identity) -> bool:
    return _is_part(value, identity.firmware)


def _serial(value: str, identity: Identity) -> bool | None:
    if dialects.PLACEHOLDER_SERIAL.match(value):
        return None
    return _is_part(value, identity.serial)


def _kind(value: str, identity: Identity) -> bool | None:
    kind = dialects.KIND_WORDS.get(value.casefold(), Kind.OTHER)
    return None if kind is Kind.UNKNOWN else kind is identity.kind


def _is_part(one: str, other: str) -> bool:
    """Return whether two texts say the same, one of them perhaps more of it."""
    first, second = (_plain(text) for text in (one, other))
    return first in second or second in first


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


_COMPARED: dict[Fact, Callable[[str, Identity], bool | None]] = {
    Fact.MODEL: _model,
    Fact.FIRMWARE: _firmware,
    Fact.SERIAL: _serial,
    Fact.KIND: _kind,
}
