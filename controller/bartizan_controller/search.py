"""What people ask the inventory for: fields of a list become one selector, which means what it means in a policy."""

import base64
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.errors import Malformed
from bartizan.identity.model import Kind
from bartizan.ids import OrganisationId, SiteId
from bartizan.policy import sense
from bartizan.policy.model import All, Any, Condition, Operator, Selector, Subject
from bartizan.policy.source import read_selector
from bartizan.trust.content import Catalogue
from bartizan.wire import codec
from bartizan_controller.access import Scope
from bartizan_controller.store import devices, organisations, selection
from bartizan_controller.store.devices import DeviceState, Filter, Order, Position, Sort

EXAMINED_AT_MOST = 10_000  # devices of one page, where rows alone do not tell which fit
BATCH = 1_000
CURSOR_OCTETS = 4_096


class DeviceQuery(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which devices are asked for, and in which order. All fields have to fit; of several values any one."""

    where: tuple[str, ...] = ()
    """Selectors as in a policy's `when`."""
    site: tuple[SiteId, ...] = ()
    organisation: OrganisationId | None = None
    """It and those below it, as the controller's tree has them."""
    maker: tuple[str, ...] = ()
    brand: tuple[str, ...] = ()
    kind: tuple[Kind, ...] = ()
    model: tuple[str, ...] = ()
    firmware: tuple[str, ...] = ()
    firmware_before: str | None = None
    jurisdiction: tuple[str, ...] = ()
    vulnerable_to: tuple[str, ...] = ()
    first_seen_after: str | None = None
    first_seen_before: str | None = None
    vulnerable: bool | None = None
    level: Level | None = None
    enforced: Level | None = None
    agrees: bool | None = None
    lost: bool | None = None
    name: str = ""
    text: str = ""
    sort: str = Sort.SITE.value


class Found(NamedTuple):
    """Some devices of a list."""

    states: tuple[DeviceState, ...]
    next: Position | None
    """Where to go on; None: there are no more."""


def search(
    connection: Connection,
    query: DeviceQuery,
    *,
    catalogue: Catalogue,
    scope: Scope,
    after: Position | None = None,
    limit: int,
    examine: int = EXAMINED_AT_MOST,
) -> Found:
    """Return the next devices that fit. A page ends early, with a place to go on, where few of `examine` fit.

    Raises:
        PolicyError: A selector, or a field's value, makes no sense.
        ValueError: The order is unknown.
        NotFound: The organisation is unknown, or not within `scope`.
    """
    asked = selector_of(query)
    wanted, order = _filter(connection, query, scope), order_of(query.sort)
    narrow = None if asked is None else selection.narrow(asked, catalogue)
    fits = None if asked is None else selection.decider(asked, catalogue)
    found: list[DeviceState] = []
    examined, batch = 0, min(limit, examine)
    while examined < examine:
        rows = devices.page(connection, wanted, narrow=narrow, order=order, after=after, limit=batch)
        for position, state in rows:
            after = position
            if fits is None or fits(state.site, state.device):
                found.append(state)
            if len(found) == limit:
                return Found(tuple(found), after)
        if len(rows) < batch:
            return Found(tuple(found), None)
        examined += batch
        batch = min(BATCH, examine - examined)
    return Found(tuple(found), after)


def check(query: DeviceQuery) -> None:
    """Check that a query makes sense.

    Raises:
        PolicyError: A selector, or a field's value, makes no sense.
        ValueError: The order is unknown.
    """
    selector_of(query)
    order_of(query.sort)


def selector_of(query: DeviceQuery) -> Selector | None:
    """Return what a query asks of facts as one selector; None if it asks nothing of them.

    Raises:
        PolicyError: A selector, or a field's value, makes no sense.
    """
    parts = [read_selector(text, "where") for text in query.where]
    parts += [part for part in _conditions(query) if part is not None]
    if not parts:
        return None
    asked = parts[0] if len(parts) == 1 else All(tuple(parts))
    sense.check_selector(asked, "this list")
    return asked


def order_of(text: str) -> Order:
    """Return the order that `maker` or, the other way round, `-maker` names.

    Raises:
        ValueError: There is none of that name.
    """
    name = text.removeprefix("-")
    if name not in {sort.value for sort in Sort}:
        raise ValueError(f"{text!r} is no order: sort by one of {', '.join(sort.value for sort in Sort)}, or -{{one}}")
    return Order(Sort(name), descending=text.startswith("-"))


def write_cursor(position: Position | None) -> str | None:
    """Return a position as people hand it on."""
    return base64.urlsafe_b64encode(codec.encode(position)).decode().rstrip("=") if position else None


def read_cursor(text: str) -> Position | None:
    """Return the position that a cursor stands for; None for an empty one.

    Raises:
        ValueError: It is none of ours.
    """
    if not text:
        return None
    try:
        octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return codec.decode(octets, Position, CURSOR_OCTETS)
    except (ValueError, Malformed) as error:
        raise ValueError("`after` is not what a page gave as `next`: begin again without it") from error


def _conditions(query: DeviceQuery) -> Iterable[Selector | None]:
    yield _text(Subject.SITE, query.site)
    yield _text(Subject.MAKER, query.maker)
    yield _text(Subject.BRAND, query.brand)
    yield _text(Subject.KIND, [kind.value for kind in query.kind])
    yield _text(Subject.MODEL, query.model)
    yield _text(Subject.FIRMWARE, query.firmware)
    yield _text(Subject.JURISDICTION, [each.upper() if len(each) == 2 else each for each in query.jurisdiction])
    yield _text(Subject.VULNERABLE_TO, query.vulnerable_to)
    yield _bound(Subject.FIRMWARE, Operator.BEFORE, query.firmware_before)
    yield _bound(Subject.FIRST_SEEN, Operator.AFTER, query.first_seen_after)
    yield _bound(Subject.FIRST_SEEN, Operator.BEFORE, query.first_seen_before)


def _text(subject: Subject, values: Iterable[str]) -> Selector | None:
    """Return that a fact is one of these values; one with `*` or `?` is a pattern, `unknown` is what is not known."""
    values = tuple(values)
    patterns = tuple(value for value in values if "*" in value or "?" in value)
    exact = tuple(value for value in values if value not in patterns and value != UNKNOWN)
    parts: list[Selector] = []
    if exact:
        parts.append(Condition(subject, Operator.IS, exact))
    if patterns:
        parts.append(Condition(subject, Operator.MATCHES, patterns))
    if UNKNOWN in values:
        parts.append(Condition(subject, Operator.KNOWN, ("false",)))
    return None if not parts else parts[0] if len(parts) == 1 else Any(tuple(parts))


def _bound(subject: Subject, operator: Operator, value: str | None) -> Selector | None:
    return None if value is None else Condition(subject, operator, (value,))


def _filter(connection: Connection, query: DeviceQuery, scope: Scope) -> Filter:
    return Filter(
        organisations=organisations.narrowed(connection, query.organisation, scope),
        level=query.level,
        enforced=query.enforced,
        agrees=query.agrees,
        vulnerable=query.vulnerable,
        lost=query.lost,
        name=query.name.strip(),
        words=tuple(query.text.split()),
    )


UNKNOWN = Kind.UNKNOWN.value
