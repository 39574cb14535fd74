"""What a gateway lacks, from its hello and what the controller holds. Pure."""

import msgspec

from bartizan.wire.down import (
    CatalogueBundle,
    Down,
    EventsAck,
    OrdersEnvelope,
    ReportAck,
    ReportWanted,
    SealedCredentials,
)
from bartizan.wire.up import Hello


class HeldBook(msgspec.Struct, frozen=True):
    """An order book of the controller."""

    generation: int
    envelope: bytes


class Holdings(msgspec.Struct, frozen=True):
    """What the controller holds that concerns one gateway."""

    catalogue: dict[str, int]
    """Newest version of each role."""
    bundle: CatalogueBundle
    """What a gateway with an older catalogue needs."""
    estate_orders: HeldBook | None = None
    site_orders: HeldBook | None = None
    credentials: SealedCredentials | None = None
    report_digest: str = ""
    """Digest of the report that is committed."""
    events_through: int = 0
    """The last event committed of the gateway's boot."""


def missing(hello: Hello, holdings: Holdings) -> tuple[Down, ...]:
    """Return what the gateway lacks, in the order in which it should hear it.

    The catalogue goes first: it names the keys by which orders are judged.
    """
    answers: list[Down] = []
    if any(hello.catalogue.get(role, 0) < version for role, version in holdings.catalogue.items()):
        answers.append(holdings.bundle)
    for book, held in (
        (holdings.estate_orders, hello.estate_orders),
        (holdings.site_orders, hello.site_orders),
    ):
        if book is not None and held < book.generation:
            answers.append(OrdersEnvelope(book.envelope))
    if holdings.credentials is not None and hello.credentials < holdings.credentials.generation:
        answers.append(holdings.credentials)
    if hello.report_digest:
        held_report = hello.report_digest == holdings.report_digest
        answers.append(ReportAck(hello.report_digest) if held_report else ReportWanted())
    # Always last: a gateway repeats its hello until somebody answers.
    answers.append(EventsAck(hello.boot, holdings.events_through))
    return tuple(answers)
