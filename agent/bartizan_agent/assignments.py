"""From standing orders to what the updater is to do. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.policy.model import SiteFacts
from bartizan.trust.content import Catalogue
from bartizan.trust.credentials import Credential, CredentialBook
from bartizan.trust.orders import Install, OrderBook
from bartizan_agent.updates.model import Assignment


class Assigned(NamedTuple):
    """What the updater is to do, and the orders that nobody can carry out."""

    assignments: tuple[Assignment, ...]
    impossible: tuple[tuple[Install, str], ...]
    """Each with the reason."""


def assigned(
    books: Iterable[OrderBook],
    catalogue: Catalogue,
    facts: SiteFacts,
    devices: Mapping[DeviceId, Device],
    credentials: CredentialBook,
    at: float,
) -> Assigned:
    """Return every install that stands at a time (Unix seconds).

    Those of an expired book no longer begin. A recalled image is handed on as such: the updater refuses it. An order
    for a device that was never seen here waits for it.
    """
    images = {image.id: image for image in catalogue.images}
    orders = [order for book in books if book.expires_at > at for order in book.orders if isinstance(order, Install)]
    impossible = tuple(
        (order, "the catalogue does not hold this image") for order in orders if order.image not in images
    )
    assignments = tuple(
        Assignment(
            order,
            images[order.image],
            devices[order.device],
            credential_for(devices[order.device], credentials),
            facts.device_tags.get(order.device, ()),
        )
        for order in orders
        if order.image in images and order.device in devices
    )
    return Assigned(assignments, impossible)


def credential_for(device: Device, credentials: CredentialBook) -> Credential | None:
    """Return what to log in to a device with: its own, or its maker's."""
    return credentials.devices.get(device.id) or credentials.makers.get(device.identity.maker)
