"""A recorder of TVT's or Xiongmai's lineage: a badge on a page, ONVIF where it is on, and a door nobody may use."""

from collections.abc import Iterable
from typing import ClassVar

from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.lineage.nvms import NvmsPages
from bartizan_lab.cameras.lineage.traits import LineageTraits
from bartizan_lab.cameras.onvif.camera import discovery
from bartizan_lab.cameras.onvif.pages import OnvifFacts
from bartizan_lab.cameras.onvif.plain_site import PlainSite
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.web import Request, Response
from bartizan_lab.cameras.wsdiscovery import Scopes
from bartizan_lab.network import Network

LEAK = "/queryDevInfo"
"""Of CVE-2024-7339. Whoever asks for it uses a vulnerability."""


class LineageRecorder(Camera):
    """One device."""

    kind: ClassVar[str] = "lineage"
    lock_out_limit: ClassVar[int] = 5
    """As strict as the strictest maker that is known: how many these units bear is not documented."""

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
        nvms = NvmsPages(self, self.traits) if self.traits.nvms else None
        yield from self.web(site if nvms is None else _WithOwnInterface(site, nvms), "", self.traits.badge)
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


class _WithOwnInterface:
    """A web site that has TVT's interface beside its page."""

    def __init__(self, site: PlainSite, nvms: NvmsPages) -> None:
        self._site = site
        self._nvms = nvms

    def admit(self, request: Request) -> Response | None:
        return None if self._nvms.answers(request) else self._site.admit(request)

    def answer(self, request: Request) -> Response:
        return self._nvms.answer(request) if self._nvms.answers(request) else self._site.answer(request)
