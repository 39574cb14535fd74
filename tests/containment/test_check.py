"""What is refused before anything becomes nft, and what is not."""

from typing import Any

import msgspec
import pytest

from bartizan.containment.check import (
    ADDRESSES_OF_DEVICE,
    DEVICES,
    MACS_OF_DEVICE,
    NETWORKS,
    RECORDERS,
    RECORDERS_OF_DEVICE,
    SEGMENTS,
    check,
)
from bartizan.containment.level import Level
from bartizan.containment.model import Segment
from bartizan.errors import Malformed
from tests.containment.estate import camera, estate

SITE = estate(2)


def test_an_estate_of_the_greatest_size_is_accepted() -> None:
    check(estate(DEVICES))


@pytest.mark.parametrize("name", ["eth0", "eth1.20", "br-cameras", "enp0s31f6", "a" * 15])
def test_names_that_interfaces_have_are_accepted(name: str) -> None:
    check(msgspec.structs.replace(SITE, devices=(), segments=(Segment(name, Level.WATCH),)))


@pytest.mark.parametrize(
    "name", ["", "a" * 16, "cam*", 'cam0"', "cam 0", "cam0\n", "../cam0", "cam0;", "{cam0}", "çam0"]
)
def test_names_that_nft_would_misread_are_refused(name: str) -> None:
    with pytest.raises(Malformed, match="is no interface"):
        check(msgspec.structs.replace(SITE, devices=(), segments=(Segment(name, Level.WATCH),)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"addresses": ("0.0.0.0",)}, "no single host"),
        ({"addresses": ("::",)}, "no single host"),
        ({"addresses": ("239.255.255.250",)}, "no single host"),
        ({"addresses": ("ff02::1",)}, "no single host"),
        ({"addresses": ("127.0.0.1",)}, "no single host"),
        ({"addresses": ("255.255.255.255",)}, "no single host"),
        ({"addresses": ("::ffff:a09:2",)}, "no single host"),
        ({"addresses": ("FD00::1",)}, "canonical form"),
        ({"addresses": ("fe80::1%eth0",)}, "canonical form"),
        ({"addresses": ("10.9.0.2 } ; accept",)}, "canonical form"),
        ({"addresses": ("10.9.0.0/24",)}, "canonical form"),
        ({"recorders": ("224.0.0.1",)}, "no single host"),
        ({"macs": ("02-00-00-00-00-01",)}, "not written as"),
        ({"macs": ("02:00:00:00:00:0A",)}, "not written as"),
        ({"macs": ("01:00:5e:00:00:01",)}, "no single device"),
        ({"macs": ("ff:ff:ff:ff:ff:ff",)}, "no single device"),
        ({"macs": ("00:00:00:00:00:00",)}, "no single device"),
        ({"macs": (), "addresses": ()}, "neither MAC nor address"),
        ({"interface": "eth9"}, "no segment"),
        ({"macs": ("02:00:00:00:00:01",) * (MACS_OF_DEVICE + 1)}, "at most 16"),
        ({"addresses": ("10.9.0.2",) * (ADDRESSES_OF_DEVICE + 1)}, "at most 64"),
        ({"recorders": ("10.1.0.5",) * (RECORDERS_OF_DEVICE + 1)}, "at most 64"),
    ],
)
def test_a_device_that_cannot_be_held_is_refused(changes: dict[str, Any], reason: str) -> None:
    device = msgspec.structs.replace(camera(0), **changes)

    with pytest.raises(Malformed, match=reason):
        check(msgspec.structs.replace(SITE, devices=(device,)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"segments": (Segment("cam0", Level.WATCH), Segment("cam0", Level.ISOLATE))},
            "'cam0' is there more than once",
        ),
        ({"devices": (camera(0), camera(0))}, "'camera-0' is there more than once"),
        ({"estate_networks": ("10.1.0.0/8",)}, "canonical CIDR"),
        ({"estate_networks": ("10.0.0.1",)}, "canonical CIDR"),
        ({"estate_networks": ("0.0.0.0/0",)}, "every address"),
        ({"estate_networks": ("0.0.0.0/1", "128.0.0.0/1")}, "every address"),
        ({"estate_networks": ("239.0.0.0/8",)}, "nobody's estate"),
        ({"estate_networks": ("::ffff:0:0/96",)}, "nobody's estate"),
        ({"segment_recorders": ("0.0.0.0",)}, "no single host"),
        ({"segments": (Segment("cam0", Level.WATCH),) * (SEGMENTS + 1)}, "at most 64"),
        ({"devices": (camera(0),) * (DEVICES + 1)}, "at most 5000"),
        ({"estate_networks": ("10.0.0.0/8",) * (NETWORKS + 1)}, "at most 1024"),
        ({"segment_recorders": ("10.1.0.5",) * (RECORDERS + 1)}, "at most 1024"),
    ],
)
def test_a_site_that_cannot_be_enforced_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        check(msgspec.structs.replace(SITE, **changes))


def test_a_refused_device_is_refused_again() -> None:
    """What was accepted is remembered; what was refused must not be."""
    ruleset = msgspec.structs.replace(SITE, devices=(msgspec.structs.replace(camera(0), macs=("ff:ff:ff:ff:ff:ff",)),))

    for _ in range(2):
        with pytest.raises(Malformed):
            check(ruleset)


def test_two_devices_may_claim_one_address() -> None:
    twin = msgspec.structs.replace(camera(1), macs=camera(0).macs, addresses=camera(0).addresses)

    check(msgspec.structs.replace(SITE, devices=(camera(0), twin)))
