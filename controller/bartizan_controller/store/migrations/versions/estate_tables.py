"""The estate's inventory: devices found by every fact, history as intervals, names, asset lists, saved views."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT_ONCE = 1_000
INDICES = ("maker", "model", "firmware", "first_seen", "wanted", "agrees")
Row = dict[str, Any]


def upgrade() -> None:
    """Make the change, and carry over devices and what is known of their past."""
    connection = op.get_bind()
    connection.execute(sa.text("CREATE TABLE moving AS SELECT * FROM devices"))
    connection.execute(sa.text("CREATE TABLE moving_history AS SELECT * FROM device_history"))
    connection.execute(sa.text("CREATE INDEX ix_moving ON moving_history (site, device, number)"))
    for table in ("devices", "device_history", "device_advisories"):
        op.drop_table(table)
    _create()
    _fill(connection, sa.text("SELECT * FROM moving"), _put_devices)
    past = connection.execute(sa.text("SELECT * FROM moving_history ORDER BY site, device, number")).mappings()
    for intervals in _portions(_intervals(past)):
        _insert(connection, "device_history", intervals)
    for table in ("moving", "moving_history"):
        op.drop_table(table)
    _count(connection)


def downgrade() -> None:
    """Undo the change: gateways will report their devices again, and the past is forgotten."""
    for table in ("views", "assets", "device_history", "device_advisories", "device_names", "device_documents"):
        op.drop_table(table)
    op.drop_table("devices")


def _create() -> None:
    op.create_table(
        "devices",
        *_key("devices"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("maker", "brand", "kind", "model", "firmware")),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("first_seen", sa.Double(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("enforced", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("agrees", "vulnerable", "lost")),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.Column("dropped_packets", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    for name in INDICES:
        op.create_index(f"ix_devices_{name}", "devices", [name, "site", "id"])
    op.create_index("ix_devices_id", "devices", ["id"])
    op.create_table(
        "device_documents",
        *_key("device_documents"),
        sa.Column("device", sa.LargeBinary(), nullable=False),
        sa.Column("posture", sa.LargeBinary(), nullable=False),
    )
    op.create_table("device_names", *_named("device_names", "name", "kind"), sqlite_with_rowid=False)
    op.create_index("ix_device_names_device", "device_names", ["site", "device"])
    op.create_table("device_advisories", *_named("device_advisories", "advisory"))
    op.create_index("ix_device_advisories_device", "device_advisories", ["site", "device"])
    op.create_table(
        "device_history",
        sa.Column("number", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=True),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_device_history")),
        _of_site("device_history"),
    )
    op.create_index("ix_device_history_device", "device_history", ["site", "device", "number"])
    op.create_index("ix_device_history_since", "device_history", ["since"])
    open_ = sa.text("until IS NULL")
    op.create_index(
        "ix_device_history_open", "device_history", ["site", "device"], sqlite_where=open_, postgresql_where=open_
    )
    op.create_table(
        "assets",
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("serial", "mac", "address")),
        sa.Column("asset", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("list", "site", "place", name=op.f("pk_assets")),
        _of_site("assets"),
    )
    op.create_index("ix_assets_site", "assets", ["site"])
    op.create_table(
        "views",
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.LargeBinary(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "name", name=op.f("pk_views")),
    )


def _key(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "id", name=op.f(f"pk_{table}")),
        _of_site(table),
    )


def _named(table: str, *names: str) -> tuple[sa.schema.SchemaItem, ...]:
    columns = (*names, "site", "device")
    return (
        *(sa.Column(name, sa.Text(), nullable=False) for name in columns),
        sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}")),
        _of_site(table),
    )


def _of_site(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["site"], ["sites.id"], name=op.f(f"fk_{table}_site"))


def _put_devices(connection: sa.Connection, before: list[Row]) -> None:
    documents = [(row, json.loads(row["device"])) for row in before]
    _insert(connection, "devices", [_device(row, device) for row, device in documents])
    _insert(
        connection,
        "device_documents",
        [{name: row[name] for name in ("site", "id", "device", "posture")} for row in before],
    )
    at = ("site", "device")
    named = {
        (name.strip().casefold(), kind, row["site"], row["id"])
        for row, device in documents
        for kind, names in (
            ("id", [row["id"]]),
            ("serial", [device["identity"].get("serial", "")]),
            ("mac", device.get("macs", ())),
            ("address", device.get("addresses", ())),
        )
        for name in names
        if name.strip()
    }
    _insert(connection, "device_names", [dict(zip(("name", "kind", *at), each, strict=True)) for each in named])
    open_to = {
        (advisory.upper(), row["site"], row["id"])
        for row, device in documents
        for advisory in device.get("vulnerabilities", ())
    }
    _insert(connection, "device_advisories", [dict(zip(("advisory", *at), each, strict=True)) for each in open_to])


def _device(row: Row, device: Row) -> Row:
    identity = device["identity"]
    words = (
        row["id"],
        *(identity.get(name, "") for name in ("maker", "brand", "model", "firmware", "build_date")),
        *(identity.get(name, "") for name in ("hardware", "platform", "serial")),
        *device.get("macs", ()),
        *device.get("addresses", ()),
    )
    kept = (
        "site",
        "id",
        "kind",
        "wanted",
        "enforced",
        "agrees",
        "vulnerable",
        "last_seen",
        "dropped_packets",
        "digest",
    )
    return {
        **{name: row[name] for name in kept},
        **{name: identity.get(name, "").casefold() for name in ("maker", "brand", "model", "firmware")},
        "confidence": identity.get("confidence", 0),
        "first_seen": device.get("first_seen", 0.0),
        "lost": device.get("lost", False),
        "words": " ".join(filter(None, words)).casefold(),
    }


def _intervals(lines: Iterable[Any]) -> Iterator[Row]:
    """Yield the intervals that lines of (at, field, before, after) tell of, the lines of a device one after another."""
    open_: Row = {}
    facts: dict[str, str] = {}
    for line in lines:
        key = (line["site"], line["device"])
        if open_ and key != (open_["site"], open_["device"]):
            yield _interval(open_, facts, None)
            open_, facts = {}, {}
        elif open_ and line["at"] != open_["since"]:
            yield _interval(open_, facts, line["at"])
            open_ = {}
        open_ = open_ or {"site": key[0], "device": key[1], "since": line["at"]}
        facts = {name: value for name, value in {**facts, line["field"]: line["after"]}.items() if value}
    if open_:
        yield _interval(open_, facts, None)


def _interval(open_: Row, facts: dict[str, str], until: float | None) -> Row:
    # As `bartizan.wire.codec` writes it: no spaces, names in order.
    document = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return {**open_, "until": until, "facts": document if "presence" in facts else b"{}"}


def _count(connection: sa.Connection) -> None:
    connection.execute(sa.text("DELETE FROM counters"))
    truth = "CASE WHEN {} THEN 'true' ELSE 'false' END"
    dimensions = {
        "devices": ("''", "devices"),
        **{name: (name, "devices") for name in ("maker", "kind", "wanted", "enforced")},
        **{name: (truth.format(name), "devices") for name in ("agrees", "vulnerable")},
        "vulnerable-to": ("advisory", "device_advisories"),
    }
    found: dict[tuple[str, str, str], int] = {}
    for dimension, (value, table) in dimensions.items():
        query = (
            f"SELECT s.id, s.organisation, {value} AS value, count(*) AS count "  # noqa: S608 - names of this file
            f"FROM {table} AS d JOIN sites AS s ON s.id = d.site GROUP BY s.id, s.organisation, value"
        )
        for row in connection.execute(sa.text(query)):
            for scope in ("estate", f"organisation/{row.organisation}", f"site/{row.id}"):
                key = (scope, dimension, row.value)
                found[key] = found.get(key, 0) + row[3]
    names = ("scope", "dimension", "value", "count")
    _insert(
        connection, "counters", [dict(zip(names, (*key, count), strict=True)) for key, count in sorted(found.items())]
    )


def _fill(connection: sa.Connection, query: sa.TextClause, put: Any) -> None:
    for rows in _portions(dict(row) for row in connection.execute(query).mappings()):
        put(connection, rows)


def _portions(rows: Iterable[Row]) -> Iterator[list[Row]]:
    some: list[Row] = []
    for row in rows:
        some.append(row)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _insert(connection: sa.Connection, table: str, rows: list[Row]) -> None:
    if rows:
        columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in rows[0]]
        connection.execute(sa.table(table, *columns).insert(), rows)
