"""What VAPIX's answers mean: both spellings of one word, text or numbers, the error table, firmware of before 2017."""

import json
from typing import Any

import pytest

from bartizan.errors import Malformed
from bartizan.ids import Address
from bartizan.trust.credentials import Credential
from bartizan_agent import camera_certificates, login_budget
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.drivers.axis import messages
from bartizan_agent.drivers.axis.driver import Axis
from bartizan_agent.drivers.contract import Act, CameraState, Failure
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.store import open_volatile
from bartizan_lab.cameras.registry import PASSWORD
from tests.drivers.exchange import declined, lines
from tests.lab.cameras.standing import standing


def said(**data: Any) -> bytes:
    return json.dumps({"apiVersion": "1.4", "data": data}).encode()


def refused(code: object) -> bytes:
    return json.dumps({"apiVersion": "1.4", "error": {"code": code, "message": "Said"}}).encode()


@pytest.mark.parametrize(
    ("data", "uncommitted"),
    [
        ({"isCommited": True}, False),
        ({"isCommitted": True}, False),
        ({"isCommited": False}, True),
        ({"isCommitted": "no"}, True),
        ({"isCommited": "yes"}, False),
        ({}, False),
    ],
)
def test_both_spellings_of_committed_are_read(data: dict[str, object], uncommitted: bool) -> None:  # noqa: FBT001
    status = messages.management_status().decode(said(activeFirmwareVersion="11.11.160", **data))

    assert (status.active, status.uncommitted) == ("11.11.160", uncommitted)


@pytest.mark.parametrize(
    ("uptime", "seconds"), [("37509", 37509.0), (37509, 37509.0), ("", None), ("-1", None), ("1e99", None)]
)
def test_the_uptime_is_text_or_a_number(uptime: object, seconds: float | None) -> None:
    ready = messages.system_ready().decode(said(systemready="yes", needsetup="no", uptime=uptime, bootid="b"))

    assert (ready.boot, ready.up_seconds, ready.factory_state) == ("b", seconds, False)


@pytest.mark.parametrize("needs", ["yes", "True", True])
def test_factory_state_however_it_is_spelled(needs: object) -> None:
    assert messages.system_ready().decode(said(needsetup=needs)).factory_state


@pytest.mark.parametrize(
    ("code", "act", "name"),
    [
        (409, Act.NEVER, "image-refused"),
        (412, Act.LATER, "uncommitted"),
        ("423", Act.LATER, "busy"),
        (2004, Act.NEVER, "declined"),
        ("what", Act.NEVER, "declined"),
    ],
)
def test_errors_come_with_status_200(code: object, act: Act, name: str) -> None:
    failure = declined(messages.commit(), refused(code))

    assert (failure.act, failure.code) == (act, name)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", said(propertyList={"Version": "1"}), said(propertyList=[1])])
def test_what_is_no_property_list_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        messages.device_info().decode(body)


def test_parameters_tell_who_a_camera_of_before_2017_is() -> None:
    body = lines(
        "root.Brand.Brand=AXIS",
        "root.Brand.ProdNbr=P1346",
        "root.Properties.Firmware.Version=5.50.3",
        "root.Properties.Firmware.BuildDate=Apr 29 2013 06:50",
        "Properties.System.SerialNumber=00408C000001",
        "root.Properties.System.HardwareID=163",
    )

    assert messages.legacy_info().decode(body) == CameraState(
        serial="00408C000001",
        model="P1346",
        firmware="5.50.3",
        build_date="2013-04-29",
        hardware="163",
        manufacturer="AXIS",
    )
    with pytest.raises(Malformed):
        messages.legacy_info().decode(b"# Error: Error -1 getting param in group 'root.Brand'\n")


async def test_such_a_camera_is_seen_and_not_updated() -> None:
    connection = open_volatile((login_budget.SCHEMA, camera_certificates.SCHEMA))
    async with standing("axis", model="P1346", firmware="5.50.3") as device:
        http = CameraHttp(LoginBudget(connection, lambda: 0.0), connection)
        address = Address(device.network.address)
        async with http.session("old", address, Credential("root", PASSWORD)) as session:
            seen = await Axis().identify(session)
            whole = await Axis().read_state(session)
    connection.close()

    assert isinstance(seen, CameraState)
    assert (seen.model, seen.firmware, seen.serial) == ("P1346", "5.50.3", "ACCC8E000001")
    assert isinstance(whole, Failure)
    assert whole.code == "not-offered"
