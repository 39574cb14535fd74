"""No parser raises, whatever it is given, and none keeps more than a bounded amount of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.ids import Address
from bartizan_agent.discovery import loose_xml, ssdp
from bartizan_agent.discovery.answer import TEXT_LIMIT, Rubbish, clean
from bartizan_lab.fuzz.targets import TARGETS, check, kept

SEEDS = tuple(data for name in TARGETS for data in kept(name))
"""Whole answers of every protocol, and what fuzzing found worth keeping."""


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Something well-formed with a stretch replaced, cut off, or repeated."""
    data = draw(st.sampled_from(SEEDS))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, len(data)))
    middle = draw(st.one_of(st.binary(max_size=40), st.just(data[start:end] * 3), st.text(max_size=20).map(_encoded)))
    return data[:start] + middle + data[end:]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.one_of(st.binary(max_size=600), damaged()))
def test_an_answer_is_heard_or_rubbish_or_nothing(name: str, data: bytes) -> None:
    check(name, data)


@given(location=st.one_of(st.text(max_size=60), st.text(max_size=20).map(lambda text: f"http://10.9.0.20{text}")))
def test_a_location_leads_only_to_the_sender(location: str) -> None:
    target = ssdp.description_target(location, Address("10.9.0.20"))

    assert target is None or (0 < target[0] < 65536 and target[1].startswith("/") and "\r" not in target[1])


@given(text=st.text(max_size=1000))
def test_text_of_devices_is_one_printable_line(text: str) -> None:
    assert len(clean(text)) <= TEXT_LIMIT
    assert clean(text) == clean(clean(text))
    assert not set(clean(text)) & set("\x00\x07\x1b\r\n\t\u202e\u2028")


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(b"<a>" * 20000, id="deep"),
        pytest.param(b"<a>" * 9000 + b"</a>" * 9000, id="deep and closed"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 30000 + b'">]><a>&x;&x;&x;</a>', id="entities"),
        pytest.param(b"<a " + b" ".join(b'a%d=""' % number for number in range(6000)) + b"/>", id="attributes"),
        pytest.param(b"<a>" + b"&" * 60000 + b"</a>", id="ampersands"),
    ],
)
def test_xml_bombs_do_no_harm(bomb: bytes) -> None:
    root = loose_xml.read(bomb)

    if not isinstance(root, Rubbish):
        assert len(loose_xml.fields(root)) <= 1
