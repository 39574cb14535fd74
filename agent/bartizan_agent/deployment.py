"""Equipment that may not be deployed on a site any more: found by its maker, told once each time it appears. Pure."""

from collections.abc import Iterable

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.policy.model import Maker, Sensitivity, SiteFacts
from bartizan.wire import events
from bartizan_agent.notes import Note, note


def forbidden(site: SiteFacts, makers: Iterable[Maker], devices: Iterable[Device]) -> dict[DeviceId, Note]:
    """Return the event of each device that is there, of a maker named by a law or list, if the site is sensitive.

    Args:
        site: As the catalogue declares it.
        makers: Of the catalogue.
        devices: All of the site.
    """
    if site.sensitivity is not Sensitivity.SENSITIVE:
        return {}
    named = {maker.id: (*maker.subject_to, *maker.listed_by) for maker in makers}
    return {
        device.id: note(
            events.DEPLOYMENT_FORBIDDEN,
            device.id,
            maker=device.identity.maker,
            model=device.identity.model,
            named_by=" ".join(named[device.identity.maker]),
            confidence=device.identity.confidence,
            interface=device.interface,
        )
        for device in devices
        if not device.lost and named.get(device.identity.maker)
    }
