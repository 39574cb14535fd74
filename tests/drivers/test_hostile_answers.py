"""Whatever a camera answers, a driver reads it, calls it malformed, or takes it for a refusal."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.errors import Malformed
from bartizan.trust.credentials import Credential
from bartizan_agent.drivers.axis import messages as axis
from bartizan_agent.drivers.contract import Declined, Failure, ImageFile, Request
from bartizan_agent.drivers.dahua import messages as dahua
from bartizan_agent.drivers.dahua.driver import Dahua
from bartizan_agent.drivers.hanwha import messages as hanwha
from bartizan_agent.drivers.hanwha.driver import Hanwha
from bartizan_agent.drivers.hikvision import messages as hikvision
from bartizan_agent.drivers.hikvision.driver import Hikvision
from bartizan_agent.drivers.lineage import tvt
from bartizan_agent.drivers.onvif import messages as onvif
from bartizan_agent.drivers.uniview import messages as uniview
from bartizan_agent.drivers.uniview.driver import Uniview
from bartizan_agent.recordings.model import decode

HOST = "192.0.2.1"
IMAGE = ImageFile(Path("nothing"), 3, "image")
PASS = tvt.Pass("s", "t")
REQUESTS: dict[str, tuple[Request[Any], ...]] = {
    "axis": (
        axis.device_info(),
        axis.legacy_info(),
        axis.system_ready(),
        axis.management_status(),
        axis.date_and_time(),
        axis.commit(),
        axis.snapshot(),
        *axis.settings(),
    ),
    "dahua": (
        dahua.system_info(),
        dahua.software_version(),
        dahua.serial_number(),
        dahua.device_type(),
        dahua.up_time(),
        dahua.current_time(),
        dahua.upgrade_state(),
        dahua.remote_devices(),
        dahua.upload_firmware(IMAGE, Dahua.families[0]),
        *dahua.settings(),
    ),
    "hanwha": (
        hanwha.device_info(),
        hanwha.date(),
        hanwha.snapshot(),
        hanwha.configuration(),
        hanwha.update_firmware(IMAGE, Hanwha.families[0]),
        *hanwha.settings(),
    ),
    "hikvision": (
        hikvision.device_info(),
        hikvision.status(),
        hikvision.snapshot(),
        hikvision.upgrade_status(),
        hikvision.input_channels(),
        hikvision.update_firmware(IMAGE, Hikvision.families[0]),
        *hikvision.settings(),
    ),
    "onvif": (
        onvif.date_and_time(),
        onvif.device_information(""),
        onvif.media_service("", HOST),
        onvif.first_profile("", "/m"),
        onvif.stream_uri("", "/m", "p", HOST),
        onvif.start_upgrade("", HOST),
        onvif.time_servers(""),
        onvif.resolution("", "/m"),
    ),
    "lineage": (
        tvt.challenge(),
        tvt.log_in(Credential("admin", "secret"), tvt.Challenge("n", "s", "t")),
        tvt.channels(PASS),
        tvt.log_out(PASS),
        *tvt.settings(PASS),
    ),
    "uniview": (
        uniview.device_info(),
        uniview.snapshot(),
        uniview.begin_upgrade(),
        uniview.upload_firmware("1", IMAGE, Uniview.families[0]),
        *uniview.settings(),
    ),
}
RECORDED = {
    name: [
        exchange.body.encode()
        for path in sorted((Path(__file__).parents[1] / "recordings" / name).glob("*.json"))
        for exchange in decode(path.read_bytes()).exchanges
        if exchange.body
    ]
    for name in REQUESTS
}
REAL = {
    "lineage": (
        b"<r><status>success</status><content><type>NTP</type><ntpServer>10.0.0.1</ntpServer></content></r>",
        b'<r><status>success</status><content><item id="{1}"><chlNum>1</chlNum><ip>10.9.0.1</ip></item></content></r>',
    ),
    "uniview": (
        b'{"Response":{"ResponseCode":0,"Data":{"Num":1,"NTPServerInfos":[{"Enabled":1,"IPAddress":"10.0.0.1"}]}}}',
        b'{"Response":{"ResponseCode":0,"Data":{"VideoStreamInfos":[{"VideoEncodeInfo":{"Resolution":{"Width":1}}}]}}}',
    ),
    "hanwha": (b'{"VideoProfiles":[{"Channel":0,"Profiles":[{"Profile":1,"Resolution":"800x600"}]}]}',),
}
"""Answers about settings, which are not recorded."""
HOSTILE = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.sampled_from([b"[" * 9000, b'{"a":' * 9000, b"<a>" * 900, b"\xff\xd8\xff\xc0", b"NG", b"Error", b"State=\xb2"])
)


@pytest.mark.parametrize("name", REQUESTS)
@given(data=st.data())
def test_no_answer_breaks_a_driver(name: str, data: st.DataObject) -> None:
    """Rubbish, and real answers with rubbish put somewhere into them."""
    rubbish = data.draw(HOSTILE)
    real = data.draw(st.sampled_from([*RECORDED[name], *REAL.get(name, ())]))
    at = data.draw(st.integers(0, len(real)))
    status = data.draw(st.sampled_from([200, 400, 401, 403, 404, 490, 500, 604, 999]))

    for body in (rubbish, real[:at] + rubbish + real[at + len(rubbish) :], real[:at]):
        for request in REQUESTS[name]:
            explained = request.explain(status, body)
            assert explained is None or isinstance(explained, Failure)
            with suppress(Malformed, Declined):
                request.decode(body)


def test_every_vendor_with_words_of_its_own_is_tried() -> None:
    folders = {path.parent.name for path in (Path(axis.__file__).parents[1]).glob("*/messages.py")}

    assert folders | {"lineage"} == REQUESTS.keys()
