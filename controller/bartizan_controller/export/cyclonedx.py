"""Devices as a CycloneDX 1.6 bill of materials: each a component of type `device`, with its firmware inside."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.vulnerability import BomTarget, Vulnerability
from cyclonedx.output.json import JsonV1Dot6

from bartizan_controller import __version__
from bartizan_controller.store.devices import DeviceState

DEVICES_AT_MOST = 50_000  # the whole bill is one document, made in memory


def bill(states: Iterable[DeviceState], makers: Mapping[str, str], *, estate: str, now: float) -> str:
    """Return the bill as JSON.

    Args:
        states: The devices.
        makers: Names of makers by id.
        estate: What the bill is about.
        now: Unix seconds.
    """
    bom = Bom()
    bom.metadata.timestamp = datetime.fromtimestamp(now, UTC)
    bom.metadata.tools.components.add(
        Component(name="bartizan-controller", version=__version__, type=ComponentType.APPLICATION)
    )
    bom.metadata.component = Component(name=estate, type=ComponentType.PLATFORM, bom_ref="estate")
    open_to: dict[str, list[BomTarget]] = {}
    for state in states:
        device = _device(state, makers)
        bom.components.add(device)
        for advisory in state.device.vulnerabilities:
            open_to.setdefault(advisory, []).append(BomTarget(ref=device.bom_ref.value or ""))
    bom.vulnerabilities.update(
        Vulnerability(id=advisory, bom_ref=f"advisory/{advisory}", affects=targets)
        for advisory, targets in sorted(open_to.items())
    )
    bom.register_dependency(bom.metadata.component, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1)


def _device(state: DeviceState, makers: Mapping[str, str]) -> Component:
    device, identity = state.device, state.device.identity
    reference = f"{state.site}/{device.id}"
    manufacturer = makers.get(identity.maker, identity.maker)
    firmware = Component(
        name=f"{identity.model or 'unknown model'} firmware",
        version=identity.firmware or None,
        type=ComponentType.FIRMWARE,
        bom_ref=f"{reference}/firmware",
    )
    return Component(
        name=identity.model or device.id,
        type=ComponentType.DEVICE,
        bom_ref=BomRef(reference),
        manufacturer=OrganizationalEntity(name=manufacturer) if manufacturer else None,
        components=[firmware] if identity.firmware else [],
        properties=[Property(name=f"bartizan:{name}", value=value) for name, value in _properties(state) if value],
    )


def _properties(state: DeviceState) -> Iterable[tuple[str, str]]:
    device, identity, posture = state.device, state.device.identity, state.posture
    yield "site", state.site
    yield "device", device.id
    yield "kind", identity.kind.value
    yield "brand", identity.brand
    yield "serial", identity.serial
    yield "firmware-build-date", identity.build_date
    yield "maker-confidence", str(identity.confidence)
    yield "level-wanted", posture.wanted.value if posture else ""
    yield "level-enforced", posture.enforced.value if posture and posture.enforced else ""
    for mac in device.macs:
        yield "mac", mac
    for address in device.addresses:
        yield "address", address
