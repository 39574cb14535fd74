"""A device is looked at again when something speaks for it, and what a hostile one makes up fills no memory."""

from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Address, Mac
from bartizan_agent.discovery.looked import AGAIN_SECONDS, AGAIN_SECONDS_IF_CLOSED, Looked

PLACE = ("cam0", Address("10.9.0.20"))
MAC, OTHER = Mac("44:47:cc:00:00:01"), Mac("44:47:cc:00:00:02")


def looked_at(*, is_open: bool = True) -> Looked:
    looked = Looked()
    looked.note(PLACE, MAC, 0.0)
    if is_open:
        looked.opened(PLACE)
    return looked


def test_who_was_looked_at_is_known_for_a_day() -> None:
    looked = looked_at()

    assert looked.is_known(PLACE, MAC, before=1.0, now=AGAIN_SECONDS - 1)
    assert not looked.is_known(PLACE, MAC, before=1.0, now=AGAIN_SECONDS)
    assert not looked.is_known(("cam1", PLACE[1]), MAC, before=1.0, now=2.0)


def test_a_look_of_this_scan_does_not_count() -> None:
    assert not looked_at().is_known(PLACE, MAC, before=0.0, now=1.0)


def test_who_had_no_open_port_is_known_for_an_hour() -> None:
    looked = looked_at(is_open=False)

    assert looked.is_known(PLACE, MAC, before=1.0, now=AGAIN_SECONDS_IF_CLOSED - 1)
    assert not looked.is_known(PLACE, MAC, before=1.0, now=AGAIN_SECONDS_IF_CLOSED)


def test_another_mac_is_another_device_and_none_is_no_other() -> None:
    looked = looked_at()

    assert not looked.is_known(PLACE, OTHER, before=1.0, now=2.0)
    assert looked.is_known(PLACE, None, before=1.0, now=2.0)


def test_what_is_forgotten_is_looked_at_again() -> None:
    closed, opened = looked_at(is_open=False), looked_at()
    for looked in (closed, opened):
        looked.forget_closed(PLACE)
    assert not closed.is_known(PLACE, MAC, before=1.0, now=2.0)
    assert opened.is_known(PLACE, MAC, before=1.0, now=2.0)

    opened.forget(PLACE)
    assert not opened.is_known(PLACE, MAC, before=1.0, now=2.0)


def test_news_is_what_was_not_said_before() -> None:
    looked = Looked()
    old, new = (Evidence(Fact.FIRMWARE, text, Source.SADP, 80) for text in ("V5.7", "V5.8"))

    assert looked.is_news(PLACE, (old,))
    assert not looked.is_news(PLACE, (old,))
    assert not looked.is_news(PLACE, ())
    assert looked.is_news(PLACE, (old, new))


def test_forged_senders_and_statements_fill_no_memory() -> None:
    looked = Looked()
    for number in range(10_000):
        looked.is_news(PLACE, (Evidence(Fact.SERIAL, str(number), Source.SADP, 80),))
        looked.is_news(("cam0", Address(f"forged {number}")), (Evidence(Fact.SERIAL, "x", Source.SADP, 80),))
        looked.note(("cam0", Address(f"forged {number}")), None, 0.0)

    assert len(looked._said) <= 4096
    assert len(looked._looks) <= 4096
    assert len(looked._said[PLACE]) <= 64
