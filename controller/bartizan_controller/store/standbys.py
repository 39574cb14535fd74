"""What standby gateways hold, device by device, to be judged and never listed: their devices are those of a site.

One document for each standby, replaced with its report; nothing is found, counted or remembered by it.
"""

import zlib
from collections.abc import Iterable

from sqlalchemy import Column, Connection, LargeBinary, Table, Text, select

from bartizan.ids import SiteId
from bartizan.policy.preview import Seen
from bartizan.wire import codec
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import METADATA

standby_devices = Table(
    "standby_devices",
    METADATA,
    Column("gateway", Text, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
_FASTEST = 1


def keep(connection: Connection, gateway: SiteId, devices: Iterable[Seen]) -> None:
    """Keep what a standby reported last of its devices."""
    document = zlib.compress(codec.encode(tuple(devices)), _FASTEST)
    statement = dialect.insert(connection, standby_devices).values(gateway=gateway, document=document)
    connection.execute(statement.on_conflict_do_update(index_elements=["gateway"], set_={"document": document}))


def load(connection: Connection, gateway: SiteId) -> tuple[Seen, ...] | None:
    """Return what a standby reported last of its devices; None: nothing since it stands by."""
    query = select(standby_devices.c.document).where(standby_devices.c.gateway == gateway)
    document = connection.execute(query).scalar()
    return None if document is None else codec.decode(zlib.decompress(document), tuple[Seen, ...])
