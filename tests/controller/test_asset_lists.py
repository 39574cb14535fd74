"""Asset lists: read with every fault in its line, and compared with what was found without guessing."""

import json
import re

import pytest

from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan_controller.assets.csv_list import read_csv
from bartizan_controller.assets.model import Asset, Places
from bartizan_controller.assets.netbox import read_netbox
from bartizan_controller.assets.reconcile import Candidate, Key, KnownDevice, Outcome, Result, reconcile
from bartizan_controller.store.organisations import Site

NORTH, SOUTH = SiteId("north"), SiteId("south")
COUNCIL = OrganisationId("council")
SITES = (
    Site(NORTH, COUNCIL, "North Depot"),
    Site(SOUTH, COUNCIL, "Town Hall"),
    Site(SiteId("old"), COUNCIL, "Town Hall"),
)
PLACES = Places(SITES)
AT_NORTH = Places(SITES, NORTH)

CSV = """\
Site;Device name;Serial No.;MAC Address;IP;Make
north;Gate;DS-1;00-00-5E-00-53-01;192.0.2.1/24;Hikvision

North Depot;Lobby;n/a;;2001:DB8::1;
"""


@pytest.mark.parametrize("encode", [str.encode, lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_spreadsheet_is_read_whatever_it_calls_its_columns(encode: object, delimiter: str) -> None:
    """Sites by id or title; MACs and addresses in any spelling; placeholders are nothing."""
    octets = encode(CSV.replace(";", delimiter))  # type: ignore[operator]

    assert read_csv(octets, {}, PLACES).assets == (
        Asset(NORTH, 2, "Gate", "DS-1", "00:00:5e:00:53:01", "192.0.2.1", "Hikvision"),
        Asset(NORTH, 4, "Lobby", address="2001:db8::1"),
    )


def test_columns_can_be_mapped() -> None:
    octets = b"Ref,Tag,Where\nA1,x,north\n"

    (asset,) = read_csv(octets, {"serial": "Ref", "site": "Where"}, PLACES).assets
    assert (asset.serial, asset.site) == ("A1", NORTH)


@pytest.mark.parametrize(
    ("text", "columns", "told"),
    [
        ("site,serial\nnorth,1\nsouth,1\n", {}, "line 3: serial number 1 stands already in line 2"),
        ("site,serial\nnowhere,1\n", {}, "line 2: there is no site 'nowhere'"),
        ("site,serial\nTown Hall,1\n", {}, "line 2: several sites are called 'Town Hall'"),
        ("serial\n1\n", {}, "line 2: it has no site"),
        ("site,serial,mac\nnorth,1,\nnorth,,5e\n", {}, "line 3: '5e' is not a MAC address"),
        ("site,ip\nnorth,10.0.0.300\n", {}, "line 2: '10.0.0.300' does not appear to be"),
        ("site,serial\nnorth,n/a\n", {}, "line 2: it has neither serial number nor MAC nor address"),
        ("site,serial\nnorth\n", {}, "line 2: it has fewer columns"),
        ("site,colour\nnorth,red\n", {}, "There are: site, colour"),
        ("site,ip,address\n", {}, "'ip', 'address' could all be the address"),
        ("site,serial\n", {}, "no entries"),
        ("", {}, "line 1: no column is a serial number"),
        ("site,serial\nnorth,1\n", {"serail": "x"}, "no field 'serail' to map; did you mean 'serial'"),
        ("site,serial\nnorth,1\n", {"mac": "x"}, "no column 'x'; there are: site, serial"),
        ('site,serial\nnorth,"1\n', {}, "this is no CSV"),
        ("site,serial\n" + "nowhere,1\n" * 30, {}, "and 39 more"),
    ],
)
def test_a_faulty_spreadsheet_is_refused_with_the_line(text: str, columns: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read_csv(text.encode(), columns, PLACES)


def test_a_spreadsheet_in_another_encoding_is_refused_with_the_line() -> None:
    with pytest.raises(ValueError, match="line 2: this is no UTF-8"):
        read_csv("site,serial\nnorth,Straße\n".encode("cp1252"), {}, PLACES)


NETBOX = {
    "count": 3,
    "next": None,
    "results": [
        {
            "id": 1,
            "name": "gate",
            "serial": "DS-1",
            "asset_tag": None,
            "site": {"id": 7, "name": "North Depot", "slug": "north"},
            "device_type": {"model": "DS-2CD", "manufacturer": {"name": "Hikvision", "slug": "hikvision"}},
            "status": {"value": "active", "label": "Active"},
            "primary_ip": {"address": "192.0.2.1/24"},
        },
        {"id": 2, "name": None, "serial": "DS-2", "site": {"slug": "south"}, "status": {"value": "planned"}},
        {"id": 3, "name": None, "serial": "DS-3", "site": {"slug": "south"}, "status": {"value": "offline"}},
    ],
}


def test_netbox_devices_are_read_but_for_what_is_not_on_the_network() -> None:
    for document in (NETBOX, NETBOX["results"]):
        read = read_netbox(json.dumps(document).encode(), PLACES)
        assert read.assets == (
            Asset(NORTH, 1, "gate", "DS-1", address="192.0.2.1", maker="Hikvision", model="DS-2CD"),
            Asset(SOUTH, 3, serial="DS-3"),
        )
        assert read.left_out == {"planned": 1}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"results": [], "next": "https://netbox/?offset=50"}, "one page of several"),
        ({"results": []}, "no device that is expected"),
        ({"detail": "no permission"}, "no list of devices as NetBox"),
        ([{"name": "gate", "serial": "1"}], "entry 1 (gate): it has no site"),
        ([{"name": "gate", "serial": "1", "site": {"slug": "east"}}], "entry 1 (gate): there is no site 'east'"),
    ],
)
def test_a_faulty_netbox_list_is_refused_with_the_entry(document: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read_netbox(json.dumps(document).encode(), PLACES)


def test_a_list_without_sites_is_for_the_site_that_is_named() -> None:
    assert read_csv(b"serial\n1\n", {}, AT_NORTH).assets[0].site == NORTH


def known(name: str, site: SiteId = NORTH, *, lost: bool = False) -> KnownDevice:
    return KnownDevice(site, DeviceId(name), lost=lost)


GATE = Asset(NORTH, 1, "gate", "S1", "m1", "a1")
LOBBY = Asset(NORTH, 2, "lobby", "S2", "m2", "a2")


@pytest.mark.parametrize(
    ("candidates", "result", "devices", "by"),
    [
        ([], Result.MISSING, [], None),
        ([Candidate(0, known("x"), Key.SERIAL)], Result.FOUND, ["x"], Key.SERIAL),
        ([Candidate(0, known("x"), Key.ADDRESS)], Result.FOUND, ["x"], Key.ADDRESS),
        ([Candidate(0, known("x", SOUTH), Key.MAC)], Result.ELSEWHERE, ["x"], Key.MAC),
        ([Candidate(0, known("x", lost=True), Key.SERIAL)], Result.MISSING, ["x"], Key.SERIAL),
        # It was moved: where it was, it is lost.
        (
            [Candidate(0, known("x", lost=True), Key.SERIAL), Candidate(0, known("x", SOUTH), Key.SERIAL)],
            Result.ELSEWHERE,
            ["x"],
            Key.SERIAL,
        ),
        # Its address was given to another camera.
        (
            [Candidate(0, known("x"), Key.SERIAL), Candidate(0, known("y"), Key.ADDRESS)],
            Result.FOUND,
            ["x"],
            Key.SERIAL,
        ),
        ([Candidate(0, known("y"), Key.ADDRESS, contradicted=True)], Result.MISSING, [], None),
        ([Candidate(0, known("x"), Key.SERIAL), Candidate(0, known("y"), Key.MAC)], Result.AMBIGUOUS, ["x", "y"], None),
        ([Candidate(0, known("x"), Key.MAC), Candidate(0, known("y"), Key.MAC)], Result.AMBIGUOUS, ["x", "y"], Key.MAC),
        (
            [
                Candidate(0, known("x"), Key.SERIAL),
                Candidate(0, known("y"), Key.SERIAL),
                Candidate(0, known("y"), Key.MAC),
            ],
            Result.FOUND,
            ["y"],
            Key.SERIAL,
        ),
    ],
)
def test_an_asset_is_matched_by_its_strongest_name(
    candidates: list[Candidate], result: Result, devices: list[str], by: Key | None
) -> None:
    (outcome,) = reconcile([GATE], candidates)

    assert (outcome.result, [each.device for each in outcome.devices], outcome.by) == (result, devices, by)


def test_one_device_is_not_two_assets() -> None:
    """Both are shown, each with the other's name."""
    candidates = [Candidate(0, known("x"), Key.SERIAL), Candidate(1, known("x"), Key.ADDRESS)]

    assert reconcile([GATE, LOBBY], candidates) == (
        Outcome(Result.AMBIGUOUS, GATE, (known("x"),), Key.SERIAL, "it could be lobby as well"),
        Outcome(Result.AMBIGUOUS, LOBBY, (known("x"),), Key.ADDRESS, "it could be gate as well"),
    )
