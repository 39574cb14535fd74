"""Exports: spreadsheets in which nothing is a formula, and bills of materials that their own validator accepts."""

import csv
import io
import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, SiteId
from bartizan.wire.up import DevicePosture
from bartizan_controller.export import cyclonedx, spreadsheet
from bartizan_controller.store.devices import DeviceState
from tests.controller.gateway import device


def state(found: Device) -> DeviceState:
    return DeviceState(SiteId("north"), found, DevicePosture(found.id, Level.ISOLATE, Level.ISOLATE), agrees=True)


STATES = (
    state(
        device(1, vulnerabilities=("CVE-2021-36260",), addresses=(Address("192.0.2.1"),), first_seen=1_767_225_600.0)
    ),
    state(device(2, maker="axis", firmware="", vulnerabilities=("CVE-2021-36260", "VEN-1"))),
    DeviceState(SiteId("north"), Device(DeviceId("mac:00:00:5e:00:53:03"), Identity(), "cam0"), None, agrees=False),
)


def test_a_bill_of_materials_is_valid_and_holds_firmware_inside_devices() -> None:
    text = cyclonedx.bill(STATES, {"hikvision": "Hangzhou Hikvision"}, estate="council", now=1_767_225_600.0)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert (bill["specVersion"], bill["metadata"]["component"]["name"]) == ("1.6", "council")
    components = {each["bom-ref"]: each for each in bill["components"]}
    assert {each["type"] for each in components.values()} == {"device"}
    gate = components["north/serial:0001"]
    assert gate["manufacturer"]["name"] == "Hangzhou Hikvision"
    assert [(each["type"], each["version"]) for each in gate["components"]] == [("firmware", "5.5.0")]
    assert "components" not in components["north/serial:0002"]
    affected = {each["id"]: [target["ref"] for target in each["affects"]] for each in bill["vulnerabilities"]}
    assert affected == {
        "CVE-2021-36260": ["north/serial:0001", "north/serial:0002"],
        "VEN-1": ["north/serial:0002"],
    }


def test_a_bill_of_nothing_is_valid() -> None:
    text = cyclonedx.bill((), {}, estate="council", now=0.0)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_a_spreadsheet_has_a_line_for_each_device() -> None:
    heading, first, _, last = csv.reader(io.StringIO(spreadsheet.heading() + spreadsheet.lines(STATES)))

    told = dict(zip(heading, first, strict=True))
    assert (told["device"], told["firmware"], told["first seen (UTC)"], told["level enforced"], told["open to"]) == (
        "serial:0001",
        "5.5.0",
        "2026-01-01 00:00:00",
        "isolate",
        "CVE-2021-36260",
    )
    assert dict(zip(heading, last, strict=True))["level enforced"] == ""


@pytest.mark.parametrize(
    "text",
    ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＠A"],  # noqa: RUF001 - full-width signs
)
def test_what_a_device_says_is_never_a_formula(text: str) -> None:
    hostile = state(Device(DeviceId("x"), Identity(model=text), "cam0"))
    (cells,) = csv.reader(io.StringIO(spreadsheet.lines([hostile])))

    assert cells[spreadsheet.COLUMNS.index("model")] == f"'{text}"


def test_what_is_no_formula_stays_as_it_is() -> None:
    assert spreadsheet.harmless("DS-2CD2042WD-I") == "DS-2CD2042WD-I"
