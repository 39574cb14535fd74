"""All tables of the controller. Times are Unix seconds; documents are canonical JSON of the wire's types.

Only types and constraints that SQLite and PostgreSQL share. A change here comes with a step in `migrations`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite numbers rows by itself only where the column is spelled INTEGER.
RowNumber = BigInteger().with_variant(Integer, "sqlite")

organisations = Table(
    "organisations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("parent", Text, ForeignKey("organisations.id")),
    Column("created_at", Double, nullable=False),
)

sites = Table(
    "sites",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organisation", Text, ForeignKey("organisations.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

enrolment_tokens = Table(
    "enrolment_tokens",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
)

certificates = Table(
    "certificates",
    METADATA,
    Column("serial", Text, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False, index=True),
    Column("pem", Text, nullable=False),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)

gateways = Table(
    "gateways",
    METADATA,
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("certificate", Text, nullable=False),
    Column("sealing_key", Text, nullable=False),
    Column("enrolled_at", Double, nullable=False),
    Column("connected", Boolean, nullable=False),
    Column("last_seen", Double),
    Column("boot", Text, nullable=False),
    Column("capability", Integer, nullable=False),
    Column("agent_version", Text, nullable=False),
    Column("clock_offset", Double, nullable=False),
    Column("events_pending", BigInteger, nullable=False),
    Column("credentials", BigInteger, nullable=False),
    Column("report_digest", Text, nullable=False),
    Column("reported_at", Double),
    Column("taken_at", Double),
    Column("posture", LargeBinary),
)

_HAS_DAY = text("remove_by IS NOT NULL")

devices = Table(
    "devices",
    METADATA,
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("maker", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("firmware", Text, nullable=False),
    Column("confidence", Integer, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("enforced", Text, nullable=False),
    Column("agrees", Boolean, nullable=False),
    Column("vulnerable", Boolean, nullable=False),
    Column("lost", Boolean, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("dropped_packets", BigInteger, nullable=False),
    Column("words", Text, nullable=False),
    Column("remove_by", Double),
    Column("told", LargeBinary, nullable=False, server_default=text("''")),
    Index("ix_devices_maker", "maker", "site", "id"),
    Index("ix_devices_model", "model", "site", "id"),
    Index("ix_devices_firmware", "firmware", "site", "id"),
    Index("ix_devices_first_seen", "first_seen", "site", "id"),
    Index("ix_devices_wanted", "wanted", "site", "id"),
    Index("ix_devices_agrees", "agrees", "site", "id"),
    Index("ix_devices_id", "id"),
    Index("ix_devices_remove_by", "site", "remove_by", sqlite_where=_HAS_DAY, postgresql_where=_HAS_DAY),
    # Rows are small and lie in the order of lists, so that what no index answers is read through quickly.
    sqlite_with_rowid=False,
)
"""What devices are found by. Text is case-folded here; as it was reported it stands in `device_documents`."""

device_documents = Table(
    "device_documents",
    METADATA,
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("device", LargeBinary, nullable=False),
    Column("posture", LargeBinary, nullable=False),
    Column("facts", LargeBinary, nullable=False, server_default=text("''")),
)
"""`facts` are those of the newest interval in `device_history`."""

device_names = Table(
    "device_names",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("device", Text, primary_key=True),
    Index("ix_device_names_device", "site", "device"),
    sqlite_with_rowid=False,
)
"""What a device answers to: its id, serial number, MACs and addresses, case-folded."""

device_advisories = Table(
    "device_advisories",
    METADATA,
    Column("advisory", Text, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("device", Text, primary_key=True),
    Index("ix_device_advisories_device", "site", "device"),
)

device_history = Table(
    "device_history",
    METADATA,
    Column("number", RowNumber, primary_key=True, autoincrement=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("device", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("facts", LargeBinary, nullable=False),
    Index("ix_device_history_device", "site", "device", "number"),
    Index("ix_device_history_since", "since"),
)
"""Of each device one row for every time in which its facts stayed the same: until its next row begins."""

assets = Table(
    "assets",
    METADATA,
    Column("list", Text, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("serial", Text, nullable=False),
    Column("mac", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("asset", LargeBinary, nullable=False),
    Index("ix_assets_site", "site"),
)
"""What other lists say should be there. `serial`, `mac` and `address` are spelled as in `device_names`."""

views = Table(
    "views",
    METADATA,
    Column("organisation", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("query", LargeBinary, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_at", Double, nullable=False),
)
"""Queries that people gave a name. `organisation` is that of who saved it, empty for the whole estate."""

attempts = Table(
    "attempts",
    METADATA,
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("device", Text, primary_key=True),
    Column("mac", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("protocol", Text, primary_key=True),
    Column("port", Integer, primary_key=True, autoincrement=False),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("packets", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""`counter` is what the gateway's own counter said last; 0 once that has ended."""

counters = Table(
    "counters",
    METADATA,
    Column("scope", Text, primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

events = Table(
    "events",
    METADATA,
    Column("number", RowNumber, primary_key=True, autoincrement=True),
    Column("site", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("sequence", BigInteger),
    Column("at", Double, nullable=False),
    Column("received_at", Double, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("device", Text),
    Column("detail", LargeBinary, nullable=False),
    UniqueConstraint("site", "boot", "sequence"),
    Index("ix_events_site", "site", "number"),
    Index("ix_events_kind", "kind", "number"),
    sqlite_autoincrement=True,
)

reviews = Table(
    "reviews",
    METADATA,
    Column("event", BigInteger, primary_key=True, autoincrement=False),
    Column("reviewed_at", Double, nullable=False),
    Column("reviewed_by", Text, nullable=False),
    Column("finding", Text, nullable=False),
)
"""Of events that are owed one. The event itself may be forgotten once it is reviewed."""

order_books = Table(
    "order_books",
    METADATA,
    Column("scope", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("published", BigInteger, nullable=False),
)

orders = Table(
    "orders",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("organisation", Text),
    Column("document", LargeBinary, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("given_at", Double, nullable=False),
    Column("ended_by", Text),
    Column("ended_at", Double),
    Column("ended_because", Text),
    Index("ix_orders_scope", "scope", "ended_at"),
)

sealed_credentials = Table(
    "sealed_credentials",
    METADATA,
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_to", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("given_at", Double, nullable=False),
    Column("published", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False, index=True),
    Column("subject", Text, nullable=False, index=True),
    Column("detail", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("organisation", Text, ForeignKey("organisations.id")),
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
)

marks = Table(
    "marks",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
