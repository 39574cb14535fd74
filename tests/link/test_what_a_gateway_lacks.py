"""What is said in answer to a hello: exactly what is missing, in an order that can be used."""

import pytest

from bartizan.ids import BootId, SiteId
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
from bartizan_controller.link.sync import HeldBook, Holdings, missing

BUNDLE = CatalogueBundle({"metadata/timestamp.json": b"t"})
CREDENTIALS = SealedCredentials(4, b"sealed")
HOLDINGS = Holdings(
    catalogue={"root": 1, "policy": 7},
    bundle=BUNDLE,
    estate_orders=HeldBook(20, b"estate"),
    site_orders=HeldBook(30, b"site"),
    credentials=CREDENTIALS,
    report_digest="r",
    events_through=9,
)
ACK = EventsAck(BootId("b"), 9)


def hello(**holds: object) -> Hello:
    complete: dict[str, object] = {
        "catalogue": {"root": 1, "policy": 7},
        "estate_orders": 20,
        "site_orders": 30,
        "credentials": 4,
        "report_digest": "r",
    }
    return Hello(SiteId("north"), BootId("b"), 1, "0.1.0", **(complete | holds))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("holds", "answers"),
    [
        ({}, (ReportAck("r"), ACK)),
        ({"report_digest": ""}, (ACK,)),
        ({"report_digest": "other"}, (ReportWanted(), ACK)),
        ({"catalogue": {}}, (BUNDLE, ReportAck("r"), ACK)),
        ({"catalogue": {"root": 1, "policy": 6}}, (BUNDLE, ReportAck("r"), ACK)),
        ({"catalogue": {"root": 1, "policy": 8}}, (ReportAck("r"), ACK)),
        ({"estate_orders": 19}, (OrdersEnvelope(b"estate"), ReportAck("r"), ACK)),
        ({"site_orders": 0}, (OrdersEnvelope(b"site"), ReportAck("r"), ACK)),
        ({"site_orders": 31}, (ReportAck("r"), ACK)),
        ({"credentials": 3}, (CREDENTIALS, ReportAck("r"), ACK)),
        (
            {"catalogue": {}, "estate_orders": 0, "site_orders": 0, "credentials": 0, "report_digest": ""},
            (BUNDLE, OrdersEnvelope(b"estate"), OrdersEnvelope(b"site"), CREDENTIALS, ACK),
        ),
    ],
    ids=[
        "nothing",
        "it has not reported yet",
        "its report",
        "the whole catalogue",
        "a newer policy",
        "nothing, it is ahead of a restored controller",
        "the estate's orders",
        "the site's orders",
        "nothing, its orders are ahead",
        "credentials",
        "everything, the catalogue first",
    ],
)
def test_a_gateway_is_sent_what_it_lacks(holds: dict[str, object], answers: tuple[Down, ...]) -> None:
    assert missing(hello(**holds), HOLDINGS) == answers


def test_a_controller_that_holds_nothing_still_answers() -> None:
    """A hello that nobody answers is said again and again."""
    assert missing(hello(report_digest=""), Holdings({}, BUNDLE)) == (EventsAck(BootId("b"), 0),)
