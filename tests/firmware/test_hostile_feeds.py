"""Feeds may hold anything: no reader fails or acquits by what it did not understand, and every draft can be kept."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.firmware.feeds.csaf import read_csaf
from bartizan.firmware.feeds.cve5 import read_cve
from bartizan.firmware.feeds.document import OCTET_LIMIT
from bartizan.firmware.feeds.drafts import Reading
from bartizan.firmware.feeds.kev import read_kev
from bartizan.firmware.feeds.products import Vendors, read_models
from bartizan.firmware.feeds.yaml_text import render
from bartizan.firmware.match import Standing, findings
from bartizan.firmware.source import read_advisories
from bartizan.identity.model import Identity
from bartizan_lab import generate
from tests.firmware.published import VENDORS, csaf, cve, octets, product

MAKERS = generate.makers()
READERS: list[Callable[[bytes, Vendors], Reading]] = [read_csaf, read_cve]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        "DS-2CD2xx2F-I",
        "DS-A71024/48R",
        "AXIS OS",
        "n/a",
        "vers:all/*",
        "<= 5.4.0",
        "V5.4.0 build 160401",
        "0",
        "*",
        ": #",
    ]
)


@given(st.binary(max_size=300))
def test_no_octets_break_a_reader(data: bytes) -> None:
    for read in READERS:
        assert read(data, VENDORS).problems
    assert read_kev(data).problems


@given(JSON)
def test_no_json_breaks_a_reader(document: Any) -> None:
    for read in READERS:
        assert read(json.dumps(document).encode(), VENDORS).advisories == ()
    assert read_kev(json.dumps(document).encode()).entries == ()


def drafts_can_be_kept(reading: Reading) -> None:
    assert read_advisories(render(reading.advisories, "drafts"), "drafts.yaml", MAKERS) == reading.advisories


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), TEXTS, st.sampled_from(["product_version", "x"]))
def test_whatever_a_csaf_document_says_its_drafts_can_be_kept(
    products: list[tuple[str, str]], title: str, category: str
) -> None:
    document = csaf(*(product(str(at), name, text, category) for at, (name, text) in enumerate(products)))
    document["document"]["title"] = title
    reading = read_csaf(octets(document), VENDORS)

    assert len(reading.advisories) == 1
    drafts_can_be_kept(reading)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"version": TEXTS, "status": st.sampled_from(["affected", "unaffected", "unknown", "x"])},
            optional={"lessThan": TEXTS, "lessThanOrEqual": TEXTS},
        ),
        max_size=3,
    ),
    TEXTS,
    st.sampled_from(["affected", "unaffected", "unknown"]),
    st.lists(TEXTS, max_size=2),
)
def test_whatever_a_cve_record_says_its_drafts_can_be_kept(
    versions: list[dict[str, str]], name: str, default: str, platforms: list[str]
) -> None:
    affected = {
        "vendor": "Hikvision",
        "product": name,
        "versions": versions,
        "defaultStatus": default,
        "platforms": platforms,
    }
    reading = read_cve(octets(cve(affected, title=name)), VENDORS)

    assert len(reading.advisories) == 1
    drafts_can_be_kept(reading)


def has_no_figure(text: str) -> bool:
    return not any(character.isdecimal() for character in unicodedata.normalize("NFKC", text))


RUBBISH = st.text(st.characters(codec="utf-8", exclude_characters="*"), max_size=40).filter(has_no_figure)


@given(RUBBISH.map("{}?!".format), st.sampled_from(["V5.4.0 build 160401", "V9.9.9 build 991231", "", "5.0"]))
def test_rubbish_leaves_every_device_unknown(rubbish: str, firmware: str) -> None:
    units = [Identity(maker="hikvision", model=model, firmware=firmware) for model in ("DS-2CD2042F-I", "", "X-1")]
    record = {"vendor": "Hikvision", "product": rubbish, "versions": [{"version": rubbish, "status": "affected"}]}
    for reading in (
        read_csaf(octets(csaf(product("1", rubbish, rubbish))), VENDORS),
        read_csaf(octets(csaf(product("1", "DS-9632NI-I8", rubbish))), VENDORS),
        read_cve(octets(cve(record)), VENDORS),
    ):
        found = {finding.standing for unit in units for finding in findings(unit, reading.advisories)}
        assert found == {Standing.UNKNOWN}


@given(st.sampled_from(["hikvision", "dahua", "axis", "tvt", "anybody"]), st.text(max_size=500))
def test_any_name_is_models_or_a_doubt(maker: str, name: str) -> None:
    models = read_models(maker, name)

    assert models.patterns or models.doubts


def test_a_document_that_is_too_large_is_refused_unread() -> None:
    reading = read_cve(b" " * (OCTET_LIMIT + 1), VENDORS)

    assert reading.problems == (f"it has {OCTET_LIMIT + 1} octets; at most {OCTET_LIMIT} are read",)


@pytest.mark.parametrize("opening", [b"[", b'{"containers":{"cna":', b'{"a":'])
def test_a_document_that_is_nested_too_deep_is_refused(opening: bytes) -> None:
    for read in READERS:
        assert read(opening * 100_000, VENDORS).problems
