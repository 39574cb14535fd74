"""What a gateway says and when, without a socket: each test reads as the talk goes."""

import pytest

from bartizan.errors import Malformed
from bartizan.ids import BootId, SiteId
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import CatalogueBundle, Down, EventsAck, OrdersEnvelope, ReportAck, ReportWanted
from bartizan.wire.topics import ALL_CATALOGUE, ALL_ORDERS
from bartizan.wire.up import Event, Events, Hello, Posture, Report
from bartizan_agent.conversation import Conversation, Word, check_place

OWN = "bz/1/site/north/down"


def report(digest: str) -> Report:
    posture = Posture({}, catalogue_expired=False, estate_orders=0, site_orders=0, ruleset_digest="", devices=())
    return Report(SiteId("north"), BootId("b1"), 0.0, digest, (), posture)


def batch(*sequences: int, boot: str = "b1") -> Events:
    happened = tuple(Event(sequence, 0.0, "device.found") for sequence in sequences)
    return Events(SiteId("north"), BootId(boot), happened)


def hello(digest: str = "") -> Hello:
    return Hello(SiteId("north"), BootId("b1"), CAPABILITY, "0.1.0", report_digest=digest)


class Talk(Conversation):
    """A conversation whose hello has been said and answered, unless the test says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()
        self.speak(-1000.0, hello, None, None)
        self.heard(EventsAck(BootId("b0"), 0))

    def says(self, at: float, report: Report | None = None, head: Events | None = None) -> tuple[Word, ...]:
        return self.speak(at, lambda: hello(report.digest if report else ""), report, head)


def test_nothing_owed_nothing_said() -> None:
    talk = Talk()

    assert talk.says(0.0) == ()
    assert talk.due_at("", events_pending=False) is None


def test_the_first_word_of_a_connection_is_hello() -> None:
    talk = Conversation()
    talk.begin()

    assert talk.due_at("", events_pending=False) == 0.0
    assert talk.speak(0.0, hello, report("d1"), batch(1)) == (hello(), report("d1"), batch(1))


def test_a_hello_that_nobody_answers_is_said_again_more_and_more_slowly() -> None:
    talk = Conversation()
    talk.begin()
    said_at = [second for second in range(1000) if talk.speak(float(second), hello, None, None)]
    talk.heard(CatalogueBundle({}))

    assert said_at == [0, 5, 15, 35, 75, 155, 315, 615, 915]
    assert talk.due_at("", events_pending=False) is None


def test_what_is_missing_is_asked_for_whatever_else_is_answered() -> None:
    """The rest of an answer, which ends with an acknowledgement, must not make the gap be forgotten."""
    talk = Talk()
    talk.missed()
    talk.heard(CatalogueBundle({}))
    talk.heard(EventsAck(BootId("b1"), 0))

    assert talk.due_at("", events_pending=False) is not None
    assert talk.says(0.0) == (hello(),)
    talk.heard(EventsAck(BootId("b1"), 0))
    assert talk.due_at("", events_pending=False) is None


def test_what_is_missing_over_and_over_is_asked_for_more_and_more_slowly() -> None:
    talk = Talk()
    said_at = []
    for second in range(400):
        talk.missed()
        if talk.says(float(second)):
            said_at.append(second)
        talk.heard(EventsAck(BootId("b1"), 0))

    assert said_at == [0, 5, 15, 35, 75, 155, 315]


def test_a_changed_report_is_said_at_once_and_not_again_once_acknowledged() -> None:
    talk = Talk()

    assert talk.says(0.0, report("d1")) == (report("d1"),)
    talk.heard(ReportAck("d1"))
    assert talk.due_at("d1", events_pending=False) is None
    assert talk.says(0.1, report("d2")) == (report("d2"),)


def test_an_unacknowledged_report_is_said_again_more_and_more_slowly() -> None:
    talk = Talk()
    said_at = [second for second in range(1000) if talk.says(float(second), report("d1"))]

    assert said_at == [0, 5, 15, 35, 75, 155, 315, 615, 915]


def test_after_a_hello_the_controller_may_say_that_it_has_the_report() -> None:
    talk = Conversation()
    talk.begin()

    assert talk.speak(100.0, lambda: hello("d1"), report("d1"), None) == (hello("d1"),)
    talk.heard(ReportAck("d1"))
    assert talk.due_at("d1", events_pending=False) is None


def test_after_a_hello_the_controller_may_say_that_it_lacks_the_report() -> None:
    talk = Conversation()
    talk.begin()
    talk.speak(100.0, lambda: hello("d1"), report("d1"), None)
    talk.heard(ReportWanted())

    assert talk.speak(100.1, lambda: hello("d1"), report("d1"), None) == (report("d1"),)


def test_after_a_hello_without_an_answer_the_report_is_said_unasked() -> None:
    talk = Conversation()
    talk.begin()
    talk.speak(100.0, lambda: hello("d1"), report("d1"), None)

    assert talk.due_at("d1", events_pending=False) == 105.0
    assert talk.speak(105.0, lambda: hello("d1"), report("d1"), None) == (hello("d1"), report("d1"))


def test_a_controller_that_lost_an_acknowledged_report_gets_it_again() -> None:
    talk = Talk()
    talk.says(0.0, report("d1"))
    talk.heard(ReportAck("d1"))
    talk.begin()
    talk.says(500.0, report("d1"))
    talk.heard(ReportWanted())

    assert talk.says(500.0, report("d1")) == (report("d1"),)


def test_asking_for_the_report_over_and_over_does_not_multiply_it() -> None:
    talk = Talk()
    said = 0
    for second in range(100):
        said += len(talk.says(second / 100, report("d1")))
        talk.heard(ReportWanted())
        talk.heard(ReportAck("d1"))
        talk.heard(ReportWanted())

    assert said == 1


def test_one_batch_of_events_is_on_its_way_at_a_time() -> None:
    talk = Talk()

    assert talk.says(0.0, head=batch(1, 2)) == (batch(1, 2),)
    assert talk.says(0.1, head=batch(1, 2, 3)) == ()
    talk.heard(EventsAck(BootId("b1"), 2))
    assert talk.says(0.2, head=batch(3)) == (batch(3),)


def test_an_acknowledgement_of_part_of_a_batch_or_of_another_boot_does_not_end_the_wait() -> None:
    talk = Talk()
    talk.says(0.0, head=batch(1, 2, 3))
    talk.heard(EventsAck(BootId("b1"), 2))
    talk.heard(EventsAck(BootId("b0"), 99))

    assert talk.says(1.0, head=batch(3)) == ()
    assert talk.due_at("", events_pending=True) == 5.0
    assert talk.says(5.0, head=batch(3)) == (batch(3),)


def test_a_new_connection_says_unacknowledged_events_again_at_once() -> None:
    talk = Talk()
    talk.says(0.0, head=batch(1))
    talk.begin()

    assert talk.says(1.0, head=batch(1)) == (hello(), batch(1))


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        (OWN, CatalogueBundle({})),
        (OWN, OrdersEnvelope(b"")),
        (OWN, ReportWanted()),
        (ALL_CATALOGUE, CatalogueBundle({})),
        (ALL_ORDERS, OrdersEnvelope(b"")),
    ],
)
def test_each_kind_has_its_topics(topic: str, message: Down) -> None:
    check_place(topic, OWN, message)


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        (ALL_CATALOGUE, OrdersEnvelope(b"")),
        (ALL_ORDERS, ReportAck("d")),
        (ALL_ORDERS, EventsAck(BootId("b1"), 10**9)),
        ("bz/1/site/south/down", CatalogueBundle({})),
    ],
)
def test_a_message_out_of_its_place_is_refused(topic: str, message: Down) -> None:
    with pytest.raises(Malformed, match=f"is not spoken on {topic}"):
        check_place(topic, OWN, message)
