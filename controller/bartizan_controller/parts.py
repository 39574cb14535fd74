"""What the running controller is made of, as its API and its jobs need it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bartizan_controller.authority import Authority
from bartizan_controller.config import Config
from bartizan_controller.images import ImageStore
from bartizan_controller.link.link import Link
from bartizan_controller.news import News
from bartizan_controller.orders import Sign
from bartizan_controller.preview.outlook import Previews
from bartizan_controller.publication import Publication
from bartizan_controller.store.database import Database


@dataclass(frozen=True)
class Addresses:
    """What a new gateway is told."""

    mqtt_host: str
    mqtt_port: int
    gateway_url: str


@dataclass(frozen=True)
class Parts:
    """Made once, in `app`."""

    config: Config
    database: Database
    authority: Authority
    sign: Sign
    publication: Publication
    previews: Previews
    link: Link
    images: ImageStore
    addresses: Addresses
    clock: Callable[[], float]
    news: News
    """Rings when something was committed that came from gateways."""
    broker_pid: Callable[[], int | None]
    """Process id of the broker that the controller brought along; None while it is down, or with another broker."""
    on_revocation: Callable[[], object]
    """To be called when a certificate was revoked."""
    stopping: asyncio.Event
    """Set when the controller stops: streams end."""
