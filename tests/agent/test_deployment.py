"""Equipment that a law or list names is told of when it appears on a sensitive site, and only then."""

import msgspec
import pytest

from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan.policy.model import Maker, Sensitivity, SiteFacts
from bartizan_agent.deployment import forbidden
from bartizan_agent.notes import Note

SENSITIVE = SiteFacts(SiteId("north"), OrganisationId("council"), sensitivity=Sensitivity.SENSITIVE)
MAKERS = (
    Maker(id="hikvision", name="Hikvision", jurisdiction="CN", source="test", subject_to=("law",), listed_by=("list",)),
    Maker(id="axis", name="Axis", jurisdiction="SE", source="test"),
)


def device(maker: str, *, lost: bool = False) -> Device:
    identity = Identity(maker=maker, model="DS-2CD", confidence=97)
    return Device(DeviceId(f"mac:{maker}"), identity, "cam0", lost=lost)


def test_a_named_maker_on_a_sensitive_site_is_told() -> None:
    told = forbidden(SENSITIVE, MAKERS, [device("hikvision"), device("axis"), device("")])

    assert told == {
        DeviceId("mac:hikvision"): Note(
            "deployment.forbidden",
            DeviceId("mac:hikvision"),
            {
                "maker": "hikvision",
                "model": "DS-2CD",
                "named_by": "law list",
                "confidence": "97",
                "interface": "cam0",
            },
        )
    }


@pytest.mark.parametrize(
    ("site", "seen"),
    [
        pytest.param(
            msgspec.structs.replace(SENSITIVE, sensitivity=Sensitivity.ORDINARY),
            device("hikvision"),
            id="ordinary site",
        ),
        pytest.param(SENSITIVE, device("hikvision", lost=True), id="gone"),
        pytest.param(SENSITIVE, device("somebody"), id="maker that the catalogue does not know"),
    ],
)
def test_who_is_not_told(site: SiteFacts, seen: Device) -> None:
    assert forbidden(site, MAKERS, [seen]) == {}
