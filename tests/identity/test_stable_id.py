"""What a device is called: the same tomorrow, at another address, and whatever is then thought of its maker."""

import pytest

from bartizan.identity.model import Evidence, Fact, Identity, Observation, Source
from bartizan.identity.naming import stable_id
from bartizan.ids import Address, Mac

MAC = Mac("44:19:b6:12:34:56")


def seen(*evidence: Evidence, mac: Mac | None = None, addresses: tuple[Address, ...] = ()) -> Observation:
    return Observation("eth1", addresses, mac, evidence=evidence)


def test_the_serial_number_comes_first_and_the_maker_plays_no_part() -> None:
    for maker in ("", "hikvision"):
        identity = Identity(maker=maker, serial="ds-7616NI-K2/16P1620201105AAWR")
        assert stable_id(seen(mac=MAC), identity) == "serial:DS-7616NI-K2~2f16P1620201105AAWR"


def test_then_the_mac_address_then_what_it_told_of_it_then_the_uuid_then_where_it_is() -> None:
    told = Evidence(Fact.MAC, "44-19-B6-AA-BB-CC", Source.SADP, 80)
    uuid = Evidence(Fact.UUID, "urn:uuid:6F5B-01", Source.WS_DISCOVERY, 80)
    here = (Address("10.0.0.9"),)

    assert stable_id(seen(told, uuid, mac=MAC, addresses=here), Identity()) == "mac:4419b6123456"
    assert stable_id(seen(told, uuid, addresses=here), Identity()) == "mac:4419b6aabbcc"
    assert stable_id(seen(uuid, addresses=here), Identity()) == "uuid:6f5b-01"
    assert stable_id(seen(addresses=(Address("fd00::9"),)), Identity()) == "address:eth1:fd00~3a~3a9"


def test_addresses_that_no_device_has_name_none() -> None:
    assert stable_id(seen(mac=Mac("00:00:00:00:00:00"), addresses=(Address("10.0.0.9"),)), Identity()) == (
        "address:eth1:10.0.0.9"
    )
    rubbish = Evidence(Fact.MAC, "not a mac", Source.SADP, 80)
    assert stable_id(seen(rubbish, addresses=(Address("10.0.0.9"),)), Identity()) == "address:eth1:10.0.0.9"


def test_different_serial_numbers_stay_different() -> None:
    names = {stable_id(seen(), Identity(serial=serial)) for serial in ("A/B", "A~2fB", "A_B", "A B", "AB")}

    assert len(names) == 5


def test_what_has_nothing_is_nobody() -> None:
    with pytest.raises(ValueError, match="is of no device"):
        stable_id(seen(), Identity())
