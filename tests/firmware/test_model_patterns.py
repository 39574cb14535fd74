"""Vendors' model patterns cover what they mean, and what cannot be read is left to a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.firmware.patterns import covers, readable, wildcard


@pytest.mark.parametrize(
    ("maker", "pattern", "model", "expected"),
    [
        ("hikvision", "DS-2CD2xx2F-I", "DS-2CD2042F-I", True),
        ("hikvision", "DS-2CD2xx2F-I", "DS-2CD2042F-IS", True),
        ("hikvision", "DS-2CD2xx2F-I", "ds-2cd2042f-i", True),
        ("hikvision", "DS-2CD2xx2F-I", "DS-2CD2043F-I", False),
        ("hikvision", "DS-2CD2xx2F-I", "DS-2CD2042FWD-I", False),
        ("hikvision", "DS-2DFx", "DS-2DF8223I-AEL", True),
        ("hikvision", "DS-2CD4xx5", "DS-2CD4035FWD-A", True),
        ("hikvision", "DS-96xxxNI-Hx", "DS-96128NI-H16", True),
        ("hikvision", "DS-76xxNXI-Kx(/xP) including(D)、(E)、(B)", "DS-7616NXI-K2/16P(D)", True),
        ("hikvision", "DS-76xxNXI-Kx\uff08/xP\uff09 including\uff08D\uff09", "DS-7608NXI-K1", True),
        ("hikvision", "DS-76xxNXI-Kx(/xP)", "DS-7608NI-K1", False),
        ("hikvision", "iDS-72xxHUHI-Mx/XT", "iDS-7216HUHI-M2/XT", True),
        ("hikvision", "iDS-72xxHUHI-Mx/XT", "iDS-7216HUHI-M2/S", False),
        ("hikvision", "DS-2CD2xx2F-I Series", "DS-2CD2042F-I", True),
        ("hikvision", "DS-K1T804AXX", "DS-K1T804AEF", True),
        ("hikvision", "DS-K1T804AXX", "DS-K1T804BEF", False),
        ("hikvision", "iDS-96xxxNXI-Mx/X", "iDS-96128NXI-M8/X", True),
        ("hikvision", "DS-96xxNXI-Mx", "DS-9632NAI-M8", False),
        ("dahua", "IPC-HX5XXX", "DH-IPC-HDW5831R-ZE", True),
        ("dahua", "IPC-HX5XXX", "IPC-HFW5241E-ZE", True),
        ("dahua", "IPC-HX5XXX", "IPC-HDW3831R-ZE", False),
        ("dahua", "DH-IPC-HDW4XXX", "IPC-HDW4431C-A", True),
        ("dahua", "NVR5XXX", "DHI-NVR5464-4KS2", True),
        ("dahua", "XVR7XXX", "DH-XVR7108HE-4KL-X", True),
        ("dahua", "XVR7XXX", "DHI-NVR7108", False),
        ("dahua", "VTO75X95X", "VTO75295X", True),
        ("dahua", "VTO75X95X", "VTO7521G", False),
        ("dahua", "SD49", "SD49225T-HN", True),
        ("axis", "P3265-V", "AXIS P3265-V Network Camera", True),
        ("axis", "P3265-V", "AXIS P3265-VE", False),
        ("axis", "*", "", True),
        ("hanwha", "QN*", "QNV-8080R", True),
        ("uniview", "NVR301-04S2-P4", "NVR301-04S2-P4", True),
        ("tvt", "SH-4050A5-5L(MM)", "SH-4050A5-5LMM", True),
    ],
)
def test_a_pattern_covers_what_its_vendor_means(maker: str, pattern: str, model: str, *, expected: bool) -> None:
    assert covers(maker, pattern, model) is expected


@pytest.mark.parametrize(
    "pattern", ["", "x", "DS-2CD; all", "78+ lines, see web", "a*b*c*d", "D[S]", "D" * 97, "(a)(b"]
)
def test_a_pattern_that_cannot_be_read_is_for_a_person(pattern: str) -> None:
    assert not readable("hikvision", pattern)
    assert covers("hikvision", pattern, "DS-2CD2042F-I") is None


@given(st.sampled_from(["hikvision", "dahua", "axis", "tvt"]), st.text(max_size=40), st.text(max_size=60))
def test_any_pattern_is_read_or_left_to_a_person(maker: str, pattern: str, model: str) -> None:
    assert covers(maker, pattern, model) in {True, False, None}


def test_wildcards_are_only_star_and_question_mark() -> None:
    assert wildcard("DS-2CD*")("ds-2cd2042f-i")
    assert wildcard("P3265-?")("P3265-V")
    assert not wildcard("P3265-?")("P3265-VE")
    assert wildcard("a[1]")("A[1]")
    assert not wildcard("a[1]")("a1")
    assert not wildcard("DS-2CD")("DS-2CD2042F-I")
    assert not wildcard("DS-2CD")("DS-2CD\n")


def test_a_hostile_model_does_not_make_matching_slow() -> None:
    assert covers("hikvision", "*a*b", "a" * 20_000) is False
