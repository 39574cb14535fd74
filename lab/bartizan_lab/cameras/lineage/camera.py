"""A recorder of TVT's or Xiongmai's lineage: a badge on a page, ONVIF where it is on, and a door nobody may use."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.onvif.camera import discovery
from bartizan_lab.cameras.onvif.pages import OnvifFacts
from bartizan_lab.cameras.onvif.plain_site import PlainSite
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.wsdiscovery import Scopes
from bartizan_lab.network import Network

LEAK = "/queryDevInfo"
"""Of CVE-2024-7339. Whoever asks for it uses a vulnerability."""


@dataclass(frozen=True)
class LineageTraits:
    """What distinguishes one badge from another."""

    badge: str
    """Over ONVIF."""
    title: str
    """Of its page: `NETSurveillance WEB` shows Xiongmai."""
    onvif: bool = True


class LineageRecorder(Camera):
    """One device."""

    kind: ClassVar[str] = "lineage"

    def __init__(self, state: DeviceState, traits: LineageTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits

    @property
    def streams(self) -> StreamProfile:
        """See `Camera`."""
        return StreamProfile(("/stream1", "/stream2"), self.traits.badge, "", "H264", 1920, 1080)

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        facts = self._onvif_facts() if self.traits.onvif else None
        site = PlainSite(self, self.traits.title, facts, network.address, forbidden=frozenset({LEAK}))
        yield from self.web(site, "", self.traits.badge)
        if self.traits.onvif:
            yield discovery(self, self._scopes, network)

    def _onvif_facts(self) -> OnvifFacts:
        return OnvifFacts(
            manufacturer=self.traits.badge,
            hardware_id=self.state.model,
            realm=self.traits.badge,
            snapshot_path="/snapshot.jpg",
            firmware=lambda: self.state.firmware,
            scopes=self._scopes,
        )

    def _scopes(self) -> Scopes:
        return Scopes(self.traits.badge, self.state.model, "country/china")
