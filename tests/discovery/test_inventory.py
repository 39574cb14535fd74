"""The inventory follows devices, forgets nothing for a moment's silence, and believes no claim to another's name."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.firmware.model import Advisory, AffectedRule, Grade
from bartizan.identity.directory import Directory
from bartizan.identity.model import Evidence, Fact, Observation, Source
from bartizan.ids import Address, DeviceId, Mac
from bartizan.policy.model import Maker
from bartizan_agent.changes import LEAVING, Change
from bartizan_agent.inventory import (
    LOST_AFTER_SECONDS,
    Known,
    Merged,
    add_evidence,
    judge_again,
    merge,
    remember,
)

DIRECTORY = Directory(
    (
        Maker(id="hikvision", name="Hikvision", jurisdiction="CN", source="test", oui=("4447CC",)),
        Maker(id="axis", name="Axis", jurisdiction="SE", source="test", oui=("ACCC8E",)),
    ),
    (),
)
ADVISORIES = (
    Advisory(
        id="CVE-2025-66177",
        title="Stack overflow in search and discovery",
        maker="hikvision",
        rules=(AffectedRule(models=("*",), before_build="2025-08-07"),),
        source="test",
        grade=Grade.PUBLISHED,
    ),
)
NOON = 1_800_000_000.0
"""A multiple of the steps in which `last_seen` moves."""
MAC, OTHER_MAC = Mac("44:47:cc:00:00:01"), Mac("44:47:cc:00:00:02")
CAMERA = DeviceId("serial:DS-2CD2320D-I20180919AACHC52932642")
SERIAL = "DS-2CD2320D-I20180919AACHC52932642"


def look(
    *evidence: Evidence, mac: Mac | None = MAC, addresses: Iterable[str] = ("10.9.0.20",), interface: str = "cam0"
) -> Observation:
    return Observation(interface, tuple(Address(text) for text in addresses), mac, (80,), evidence)


def sadp(serial: str = SERIAL, firmware: str = "V5.5.6 build 180326") -> tuple[Evidence, ...]:
    return (
        Evidence(Fact.MAKER, "hikvision", Source.SADP, 80),
        Evidence(Fact.MODEL, "DS-2CD2320D-I", Source.SADP, 80),
        Evidence(Fact.SERIAL, serial, Source.SADP, 85),
        Evidence(Fact.FIRMWARE, firmware, Source.SADP, 80),
    )


def merged(known: dict[DeviceId, Known], *observations: Observation, at: float = NOON) -> Merged:
    return merge(known, observations, directory=DIRECTORY, advisories=ADVISORIES, at=at)


def test_a_new_device_is_found_and_judged() -> None:
    devices, changes = merged({}, look(*sadp()))

    device = devices[CAMERA].device
    assert (device.identity.maker, device.identity.model) == ("hikvision", "DS-2CD2320D-I")
    assert device.vulnerabilities == ("CVE-2025-66177",)
    assert (device.first_seen, device.last_seen, device.lost) == (NOON, NOON, False)
    (change,) = changes
    assert (change.kind, change.device) == ("device.found", CAMERA)
    assert change.detail == {
        "maker": "hikvision",
        "model": "DS-2CD2320D-I",
        "interface": "cam0",
        "confidence": str(device.identity.confidence),
    }


def test_who_announced_itself_before_the_link_told_its_mac_is_one_device() -> None:
    """A multicast greeting fills no neighbour table; the first packet to us does."""
    announced, _ = merged({}, look(*sadp(), mac=None))
    devices, changes = merged(announced, look(mac=MAC))

    assert list(devices) == [CAMERA]
    assert devices[CAMERA].device.macs == (MAC,)
    assert [change.kind for change in changes] == ["device.changed"]


def test_who_has_a_mac_is_not_taken_for_who_comes_to_its_address_with_another() -> None:
    before, _ = merged({}, look(*sadp()))
    devices, _ = merged(before, look(mac=OTHER_MAC))

    assert {known.device.macs for known in devices.values()} == {(MAC,), (OTHER_MAC,)}


def test_seeing_it_again_changes_nothing() -> None:
    devices, _ = merged({}, look(*sadp()))

    again, changes = merged(devices, look(*sadp()), at=NOON + 600)

    assert (again, changes) == (devices, ())


def test_a_device_is_followed_to_another_address() -> None:
    devices, _ = merged({}, look(*sadp()))

    devices, changes = merged(devices, look(*sadp(), addresses=["10.9.0.99", "fe80::1"]))

    assert devices[CAMERA].device.addresses == ("10.9.0.99", "fe80::1")
    assert changes == (changed("addresses", "10.9.0.20", "10.9.0.99, fe80::1"),)


def test_being_seen_under_another_address_is_no_change() -> None:
    """IPv4 stays first, where cameras are spoken to, and the ruleset made of this stays the same."""
    devices, _ = merged({}, look(*sadp(), addresses=["fd00::1", "10.9.0.20", "fe80::1"]))

    again, changes = merged(devices, look(addresses=["fe80::1"]), look(addresses=["10.9.0.20"]))

    assert again[CAMERA].device.addresses == ("10.9.0.20", "fd00::1", "fe80::1")
    assert (again, changes) == (devices, ())


def test_of_too_many_addresses_the_oldest_go() -> None:
    devices, _ = merged({}, look(*sadp()))
    for number in range(1, 20):
        devices, _ = merged(devices, look(addresses=["10.9.0.20", "fe80::1", f"fd00::{number}"]))

    assert devices[CAMERA].device.addresses == ("10.9.0.20", "fe80::1", *(f"fd00::{number}" for number in range(6, 20)))


def test_new_firmware_is_seen_and_closes_what_it_fixes() -> None:
    devices, _ = merged({}, look(*sadp()))

    devices, changes = merged(devices, look(*sadp(firmware="V5.8.1 build 250901")))

    assert devices[CAMERA].device.vulnerabilities == ()
    assert changes == (
        changed("firmware", "V5.5.6 build 180326", "V5.8.1 build 250901"),
        changed("vulnerabilities", "CVE-2025-66177", ""),
    )


def test_a_look_that_hears_nothing_forgets_nothing() -> None:
    devices, _ = merged({}, look(*sadp(), addresses=["10.9.0.20", "fe80::1"]))

    again, changes = merged(devices, look())

    assert again[CAMERA].device.identity == devices[CAMERA].device.identity
    assert again[CAMERA].device.addresses == ("10.9.0.20", "fe80::1")
    assert changes == ()


def test_what_an_authenticated_read_said_outlasts_weaker_looks() -> None:
    devices, _ = merged({}, look(*sadp()))
    read = (Evidence(Fact.MODEL, "DS-2CD2320D-I2", Source.ISAPI, 95), Evidence(Fact.PLATFORM, "G1", Source.ISAPI, 95))

    devices, changes = add_evidence(devices, CAMERA, read, directory=DIRECTORY, advisories=ADVISORIES)
    devices, later = merged(devices, look(*sadp()))

    assert (devices[CAMERA].device.identity.model, devices[CAMERA].device.identity.platform) == ("DS-2CD2320D-I2", "G1")
    assert [change.detail["field"] for change in changes] == ["model", "platform"]
    assert later == ()


def test_a_source_that_sees_new_firmware_outdates_what_others_said_of_it() -> None:
    read = Evidence(Fact.FIRMWARE, "V5.5.6 build 180326", Source.ISAPI, 95)
    date = Evidence(Fact.BUILD_DATE, "2018-03-26", Source.ISAPI, 95)
    before = Evidence(Fact.FIRMWARE, "V5.5.6 build 180326", Source.SADP, 80)
    after = Evidence(Fact.FIRMWARE, "V5.8.1 build 250901", Source.SADP, 80)

    assert remember((read, date, before), (after,)) == (after,)
    assert remember((read, date), (after,)) == (read, date, after)


def test_silence_becomes_loss_once_and_loss_ends() -> None:
    devices, _ = merged({}, look(*sadp()))
    later = NOON + LOST_AFTER_SECONDS + 1

    devices, lost = merged(devices, at=later)
    devices, still_lost = merged(devices, at=later + 900)
    devices, back = merged(devices, look(), at=later + 1800)

    assert lost == (Change("device.lost", CAMERA, {"last_seen": "1800000000", "took_leave": "no"}),)
    assert still_lost == ()
    assert back == (Change("device.returned", CAMERA, {"last_seen": "1800000000"}),)
    assert devices[CAMERA].device.first_seen == NOON


def test_who_claims_the_serial_number_of_a_device_that_is_there_is_somebody_else() -> None:
    devices, _ = merged({}, look(*sadp()))

    devices, _ = merged(devices, look(), look(*sadp(), mac=OTHER_MAC, addresses=["10.9.0.66"]))

    assert set(devices) == {CAMERA, "mac:4447cc000002"}
    assert devices[CAMERA].device.macs == (MAC,)
    assert any("serial number" in text for text in devices[CAMERA].device.problems)
    assert any(CAMERA in text for text in devices[DeviceId("mac:4447cc000002")].device.problems)


def test_of_two_that_claim_a_serial_number_at_first_sight_neither_has_it() -> None:
    devices, _ = merged({}, look(*sadp(), mac=OTHER_MAC, addresses=["10.9.0.66"]), look(*sadp()))

    assert set(devices) == {"mac:4447cc000001", "mac:4447cc000002"}


def test_a_serial_number_is_followed_to_a_new_mac_once_the_old_is_lost() -> None:
    devices, _ = merged({}, look(*sadp()))
    later = NOON + LOST_AFTER_SECONDS + 1
    devices, _ = merged(devices, at=later)

    devices, changes = merged(devices, look(*sadp(), mac=OTHER_MAC), at=later)

    assert set(devices) == {CAMERA}
    assert devices[CAMERA].device.macs == (OTHER_MAC, MAC)
    assert [(change.kind, change.detail.get("field")) for change in changes] == [
        ("device.returned", None),
        ("device.changed", "macs"),
    ]


def test_another_serial_number_behind_the_same_mac_is_another_device() -> None:
    devices, _ = merged({}, look(*sadp()))
    swapped = "DS-2CD2320D-I20210101AACHD00000001"

    devices, changes = merged(devices, look(*sadp(serial=swapped)))

    assert set(devices) == {CAMERA, f"serial:{swapped}"}
    assert [change.kind for change in changes] == ["device.found"]
    assert any(text.startswith("shares MAC") for text in devices[CAMERA].device.problems)


def test_the_mac_and_address_of_a_lost_device_go_to_who_has_them_now() -> None:
    devices, _ = merged({}, look(*sadp()))
    later = NOON + LOST_AFTER_SECONDS + 1

    devices, _ = merged(devices, look(*sadp(serial="DS-2CD2320D-I20210101AACHD00000001")), at=later)

    assert (devices[CAMERA].device.lost, devices[CAMERA].device.macs, devices[CAMERA].device.addresses) == (
        True,
        (),
        (),
    )


def test_who_took_leave_is_told_apart_from_who_fell_silent() -> None:
    devices, _ = merged({}, look(*sadp()))
    goodbye = msgspec.structs.replace(look(), problems=(LEAVING,))
    devices, changes = merged(devices, goodbye, at=NOON + 60)
    assert (devices[CAMERA].device.problems, changes) == ((LEAVING,), ())

    _, changes = merged(devices, at=NOON + 60 + LOST_AFTER_SECONDS + 1)
    back, _ = merged(devices, look(), at=NOON + 120)

    assert [(change.kind, change.detail["took_leave"]) for change in changes] == [("device.lost", "yes")]
    assert back[CAMERA].device.problems == ()


def test_a_move_to_another_segment_is_told() -> None:
    devices, _ = merged({}, look(*sadp()))

    devices, changes = merged(devices, look(*sadp(), interface="cam0.20", addresses=["10.20.0.20"]))

    assert changes[0] == Change("device.moved", CAMERA, {"before": "cam0", "after": "cam0.20"})
    assert changes[1:] == (changed("addresses", "10.9.0.20", "10.20.0.20"),)


@pytest.mark.parametrize(
    ("states", "told"),
    [
        pytest.param(("false", "true"), True, id="reset"),
        pytest.param(("true", "false"), False, id="activated"),
        pytest.param(("true", "true"), False, id="never activated"),
        pytest.param(("false", "", "true"), True, id="a silent look between"),
        pytest.param(("", "true"), False, id="not known before"),
    ],
)
def test_a_factory_reset_is_told(states: tuple[str, ...], told: bool) -> None:  # noqa: FBT001 - a case
    devices: dict[DeviceId, Known] = {}
    kinds: list[str] = []
    for state in states:
        said = (Evidence(Fact.FACTORY_STATE, state, Source.SADP, 80),) if state else ()
        devices, changes = merged(devices, look(*sadp(), *said))
        kinds.extend(change.kind for change in changes)

    assert ("device.reset" in kinds) == told


def test_a_new_device_in_the_place_of_one_that_is_gone_is_a_swap() -> None:
    devices, _ = merged({}, look(*sadp()))
    newcomer = look(Evidence(Fact.MODEL, "P3265-V", Source.VAPIX, 85), mac=Mac("ac:cc:8e:00:00:01"))
    devices, at_first = merged(devices, newcomer, at=NOON + 900)

    devices, changes = merged(devices, newcomer, at=NOON + LOST_AFTER_SECONDS + 1)
    _, later = merged(devices, newcomer, at=NOON + LOST_AFTER_SECONDS + 900)

    assert [change.kind for change in at_first] == ["device.found"]
    assert [change.kind for change in changes] == ["device.lost", "device.swapped"]
    assert changes[1] == Change(
        "device.swapped",
        DeviceId("mac:accc8e000001"),
        {
            "instead_of": CAMERA,
            "shared": "10.9.0.20",
            "before": "hikvision DS-2CD2320D-I",
            "after": "axis P3265-V",
        },
    )
    assert later == ()


def test_an_old_device_that_takes_a_free_address_is_no_swap() -> None:
    other = look(mac=Mac("ac:cc:8e:00:00:01"), addresses=["10.9.0.30"])
    devices, _ = merged({}, other)
    devices, _ = merged(devices, look(*sadp()), other, at=NOON + 900)
    moved = msgspec.structs.replace(other, addresses=(Address("10.9.0.20"),))

    _, changes = merged(devices, moved, at=NOON + 900 + LOST_AFTER_SECONDS + 1)

    assert "device.swapped" not in {change.kind for change in changes}


def test_a_serial_number_printed_shorter_by_another_source_is_no_swap() -> None:
    devices, _ = merged({}, look(*sadp()))
    onvif = Evidence(Fact.SERIAL, "C52932642", Source.ONVIF, 60)

    devices, _ = merged(devices, look(onvif))

    assert set(devices) == {CAMERA}


def test_devices_behind_one_mac_are_told_apart_by_serial_number_and_address() -> None:
    first, second = (look(*sadp(serial=f"DS-2CD20210101AACH{n}"), addresses=[f"10.9.0.2{n}"]) for n in (1, 2))
    devices, _ = merged({}, first)
    devices, _ = merged(devices, second)

    devices, changes = merged(devices, look(addresses=["10.9.0.21"]), look(addresses=["10.9.0.22"]))

    assert {entry.device.addresses for entry in devices.values()} == {("10.9.0.21",), ("10.9.0.22",)}
    assert changes == ()


def test_two_devices_at_one_address_are_both_kept_and_both_marked() -> None:
    devices, _ = merged({}, look(), look(mac=OTHER_MAC))

    assert {entry.device.addresses for entry in devices.values()} == {("10.9.0.20",)}
    assert all("shares address on cam0: 10.9.0.20 with" in entry.device.problems[0] for entry in devices.values())

    devices, _ = merged(devices, look(mac=OTHER_MAC, addresses=["10.9.0.21"]))

    assert all(entry.device.problems == () for entry in devices.values())


def test_an_observation_without_a_mac_is_of_who_has_the_address_there() -> None:
    devices, _ = merged({}, look(*sadp()))

    devices, changes = merged(devices, look(mac=None), look(mac=None, interface="cam1"))

    assert set(devices) == {CAMERA, "address:cam1:10.9.0.20"}
    assert [change.kind for change in changes] == ["device.found"]


def test_a_new_catalogue_is_applied_to_what_is_known() -> None:
    devices, _ = merged({}, look(*sadp()))

    devices, changes = judge_again(devices, directory=DIRECTORY, advisories=())

    assert devices[CAMERA].device.vulnerabilities == ()
    assert changes == (changed("vulnerabilities", "CVE-2025-66177", ""),)


def test_merging_does_not_change_what_it_was_given() -> None:
    before, _ = merged({}, look(*sadp()))
    copy = dict(before)

    merged(before, look(*sadp(firmware="V9.9.9 build 300101")), at=NOON + 90_000)

    assert before == copy


statements = st.builds(
    Evidence,
    st.sampled_from(Fact),
    st.sampled_from(["a1b2c3", "d4e5f6", "2020-01-01"]),
    st.sampled_from(Source),
    st.integers(0, 100),
)
looks = st.builds(
    look,
    statements,
    mac=st.sampled_from([None, MAC, OTHER_MAC]),
    addresses=st.lists(st.sampled_from(["10.9.0.20", "10.9.0.21", "fe80::1"]), min_size=1, unique=True),
    interface=st.sampled_from(["cam0", "cam1"]),
)


whereabouts = st.tuples(
    st.sampled_from([0, 1, 2]),  # which of three devices
    st.sampled_from(["10.9.0.20", "10.9.0.21", "fe80::1"]),
    st.sampled_from(["cam0", "cam0.20"]),
    st.sampled_from(["V5.5.6 build 180326", "V5.8.1 build 250901"]),
    st.booleans(),  # whether it says its serial number
    st.sampled_from(["Gate", "Yard", ""]),
)


@given(seen=st.lists(whereabouts, max_size=12))
def test_a_device_keeps_its_name_whatever_else_changes(
    seen: list[tuple[int, str, str, str, bool, str]],
) -> None:
    devices: dict[DeviceId, Known] = {}
    names: dict[Mac, DeviceId] = {}
    for number, (which, address, interface, firmware, says_serial, badge) in enumerate(seen):
        mac = Mac(f"44:47:cc:00:00:0{which}")
        serial = (Evidence(Fact.SERIAL, f"DS-2CD20210101AACH0000000{which}", Source.SADP, 85),) if says_serial else ()
        named = (Evidence(Fact.BRAND, badge, Source.WS_DISCOVERY, 45),) if badge else ()
        said = (*serial, *named, Evidence(Fact.FIRMWARE, firmware, Source.SADP, 80))
        devices, _ = merged(devices, look(*said, mac=mac, addresses=[address], interface=interface), at=NOON + number)

        of_mac = [name for name, entry in devices.items() if mac in entry.device.macs]
        assert of_mac == [names.setdefault(mac, of_mac[0])]
        assert devices[of_mac[0]].device.interface == interface

    assert set(devices) == set(names.values())
    assert len(devices) == len(names)


@given(batches=st.lists(st.lists(looks, max_size=4), max_size=5))
def test_whatever_is_seen_the_inventory_holds_together(batches: list[list[Observation]]) -> None:
    devices: dict[DeviceId, Known] = {}
    for number, batch in enumerate(batches):
        before = devices
        devices, changes = merged(devices, *batch, at=NOON + number * 2000)

        assert set(before) <= set(devices)
        assert all(name == entry.device.id for name, entry in devices.items())
        assert {change.device for change in changes} <= set(devices)
        assert {change.device for change in changes if change.kind == "device.found"} == set(devices) - set(before)
        assert merged(devices, at=NOON + number * 2000) == (devices, ())


def changed(field: str, before: str, after: str) -> Change:
    return Change("device.changed", CAMERA, {"field": field, "before": before, "after": after})
