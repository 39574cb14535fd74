"""Reports into the database, and lists and totals at a million devices, against the bare sqlite3 module.

The floor of a report is the shortest program that gets it into the same tables: it decodes, compares digests of
devices and writes those that differ. It does not check what it is told, keeps no history and counts nothing. What does
not differ is held against writing all rows. The floor of a list is its SQL.
"""

import contextlib
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, cycle
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, BootId, DeviceId, Mac, OrganisationId, SiteId
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.wire import codec, topics
from bartizan.wire.down import CatalogueBundle, Certificate
from bartizan.wire.up import DevicePosture, Posture, RenewCertificate, Report
from bartizan_controller.inventory import SeenDevice, record, substances
from bartizan_controller.link import intake
from bartizan_controller.link.parse import parse
from bartizan_controller.search import DeviceQuery, search
from bartizan_controller.store import counters, dialect, gateways, migrate, organisations, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.devices import Position
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.store.organisations import Organisation, Site
from bartizan_controller.totals import By, totals
from bench.floor import Goal, Result, in_turn, milliseconds, report

DEVICES = 200  # of one site
SITES = 5_000
PAGE = 100
ROUNDS = 15
COUNCIL = OrganisationId("council")
SITE = SiteId("site-00000")
CATALOGUE = Catalogue({}, 0.0, DirectorKeys({}))
MAKERS = ("hikvision", "dahua", "axis", "hanwha", "uniview")
MODELS = ("DS-2CD2042WD-I", "IPC-HFW4431R-Z", "P3265-LV", "XNV-6080R", "IPC2124LR3")

Row = tuple[object, ...]
Rows = dict[str, list[Row]]


def measure() -> Iterator[Result]:
    """Measure one site's reports, then a whole estate's lists."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(_Reports(Path(folder))) as reports:
        yield from reports.measure()
    with tempfile.TemporaryDirectory() as folder:
        yield from _lists(Path(folder) / "estate.db")


class _Reports:
    """One site in two databases that begin alike: the controller's, and one that only sqlite3 writes."""

    def __init__(self, folder: Path) -> None:
        self._clock = count(1)
        url = dialect.sqlite_url(folder / "product.db")
        migrate.upgrade(url)
        self._database = Database(url)
        self._database.change(_make_site)
        self._take(_payload("V5.4.0", DEVICES))
        self._bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
        with contextlib.closing(sqlite3.connect(folder / "product.db")) as product:
            product.backup(self._bare)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
            self._bare.execute(f"PRAGMA {pragma}").close()
        self._upserts = {table: self._upsert_into(table) for table in ("devices", "device_documents")}

    def close(self) -> None:
        self._database.close()
        self._bare.close()

    def measure(self) -> Iterator[Result]:
        """Measure reports of which all, some and no devices changed."""
        for name, changed in (("all changed", DEVICES), ("5 changed", 5)):
            payloads = [_payload(version, changed) for version in ("V5.5.89", "V5.5.0")]
            value, floor = self._in_turn(payloads, self._take_bare)
            goal = Goal("ratio", at_least=0.6)
            yield Result(f"report of {DEVICES} devices, {name}", 1000 / value, "reports/s", 1000 / floor, goal)
        rows = _rows(codec.decode(payloads[0], Report), {})
        value, floor = self._in_turn(payloads[:1], lambda _: self._write(rows))
        goal = Goal("ratio", at_most=0.25)
        yield Result(f"report of {DEVICES} devices, unchanged, to writing them", value, "ms", floor, goal)

    def _in_turn(self, payloads: Sequence[bytes], bare: Callable[[bytes], None]) -> tuple[float, float]:
        mine, theirs = cycle(payloads), cycle(payloads)

        def product() -> float:
            # Between reports the controller is idle, and then shortens its log.
            dialect.checkpoint(self._database._writing)  # noqa: SLF001 - as its own job does
            return milliseconds(partial(self._take, next(mine)))

        def floor() -> float:
            self._bare.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
            return milliseconds(partial(bare, next(theirs)))

        return in_turn(product, floor, ROUNDS)

    def _take(self, payload: bytes) -> None:
        said = parse(topics.up(SITE, "report"), payload)
        now = float(next(self._clock))
        (outcome,) = self._database.change(
            lambda c: intake.commit(c, [said], catalogue=_NothingPublished(), renew=_renew, now=now)
        )
        assert outcome.refused is None, outcome

    def _take_bare(self, payload: bytes) -> None:
        self._bare.execute("BEGIN IMMEDIATE")
        held = dict(self._bare.execute("SELECT id, told FROM devices WHERE site = ?", (SITE,)).fetchall())
        self._put(_rows(msgspec.json.decode(payload, type=Report), held))
        self._bare.execute("COMMIT")

    def _write(self, rows: Rows) -> None:
        self._bare.execute("BEGIN IMMEDIATE")
        self._put(rows)
        self._bare.execute("COMMIT")

    def _put(self, rows: Rows) -> None:
        for table, statement in self._upserts.items():
            self._bare.executemany(statement, rows[table])

    def _upsert_into(self, table: str) -> str:
        columns = [row[1] for row in self._bare.execute(f"PRAGMA table_info({table})")]
        changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in {"site", "id"})
        marks = ", ".join("?" * len(columns))
        return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT (site, id) DO UPDATE SET {changes}"  # noqa: S608 - names of our tables


def _rows(said: Report, held: dict[str, bytes]) -> Rows:
    """Return the rows of devices whose digest differs from what is held, in the order of the tables' columns."""
    postures = {posture.device: posture for posture in said.posture.devices}
    rows: Rows = {"devices": [], "device_documents": []}
    for device in said.devices:
        identity, posture = device.identity, postures[device.id]
        documents = (msgspec.json.encode(device), msgspec.json.encode(posture))
        digest = hashlib.sha256(documents[0] + documents[1]).digest()[:16]
        if held.get(device.id) == digest:
            continue
        rows["device_documents"].append((said.site, device.id, *documents, b""))
        rows["devices"].append(
            (
                *(said.site, device.id, identity.maker, identity.brand, identity.kind.value, identity.model),
                *(identity.firmware, identity.confidence, device.first_seen, posture.wanted.value),
                *(posture.enforced and posture.enforced.value, True, bool(device.vulnerabilities), device.lost),
                *(
                    device.last_seen,
                    posture.dropped_packets,
                    f"{device.id} {identity.model}",
                    posture.remove_by,
                    digest,
                ),
            )
        )
    return rows


def _lists(file: Path) -> Iterator[Result]:
    began = time.perf_counter()
    _fill(file)
    yield Result(f"{SITES * DEVICES:,} devices made", time.perf_counter() - began, "s")
    with Database(dialect.sqlite_url(file)) as database, contextlib.closing(sqlite3.connect(file)) as bare:
        bare.execute("PRAGMA cache_size=-65536").close()
        yield Result("counters put right by counting", milliseconds(lambda: database.change(counters.repair)), "ms")
        for name, query, where, order in (
            ("by site", DeviceQuery(), "1", "d.site, d.id"),
            ("by model", DeviceQuery(sort="model"), "1", "d.model, d.site, d.id"),
            ("of one maker", DeviceQuery(maker=("axis",)), "d.maker = 'axis'", "d.site, d.id"),
            ("of two makers", DeviceQuery(maker=("axis", "dahua")), "+d.maker IN ('axis', 'dahua')", "d.site, d.id"),
        ):
            yield _page(database, bare, name, query, f"WHERE {where} AND ({order}) > {{}} ORDER BY {order}")
        value, floor = in_turn(
            lambda: milliseconds(lambda: database.query(lambda c: totals(c, By.MAKER, None))),
            lambda: milliseconds(bare.execute("SELECT maker, count(*) FROM devices GROUP BY maker").fetchall),
            ROUNDS,
        )
        yield Result("totals by maker, to GROUP BY", value, "ms", floor, Goal("ratio", at_most=1 / 50))


def _page(database: Database, bare: sqlite3.Connection, name: str, query: DeviceQuery, sql: str) -> Result:
    """Read a page from the middle of a list, each time another one."""
    model = MODELS[2].casefold() if query.sort == "model" else ""
    starts = [Position(model, SiteId(f"site-{number * 97 % SITES:05d}"), DeviceId("x")) for number in range(ROUNDS + 1)]
    mine, theirs = cycle(starts), cycle(starts)
    columns = "d.*, e.device, e.posture"
    joined = "devices AS d JOIN device_documents AS e ON e.site = d.site AND e.id = d.id"
    statement = f"SELECT {columns} FROM {joined} {sql} LIMIT {PAGE}"  # noqa: S608 - all of it stands here

    def product() -> None:
        after = next(mine)
        found = database.query(lambda c: search(c, query, catalogue=CATALOGUE, scope=None, after=after, limit=PAGE))
        assert len(found.states) == PAGE

    def floor() -> None:
        after = next(theirs)
        values = [after.site, after.device] if query.sort == "site" else [after.value, after.site, after.device]
        marks = ", ".join("?" * len(values))
        assert len(bare.execute(statement.format(f"({marks})"), values).fetchall()) == PAGE

    value, least = in_turn(partial(milliseconds, product), partial(milliseconds, floor), ROUNDS)
    title = f"page of {PAGE} of {SITES * DEVICES:,} devices {name}, above its SQL ({least:.2f} ms)"
    return Result(title, value - least, "ms", goal=Goal("value", at_most=3))


def _fill(file: Path) -> None:
    """Make an estate: rows in the order of their keys, indices afterwards, without a journal."""
    migrate.upgrade(dialect.sqlite_url(file))
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as made:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-262144"):
            made.execute(f"PRAGMA {pragma}").close()
        indices = made.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'devices' AND sql IS NOT NULL"
        ).fetchall()
        made.execute("BEGIN")
        for name, _ in indices:
            made.execute(f"DROP INDEX {name}")
        made.execute("INSERT INTO organisations VALUES ('council', 'Council', NULL, 0)")
        made.executemany(
            "INSERT INTO sites VALUES (?, 'council', '', 0)", [(f"site-{number:05d}",) for number in range(SITES)]
        )
        template = [_kept(number) for number in range(DEVICES)]
        marks = ", ".join("?" * len(template[0][0]))
        for number in range(SITES):
            site = f"site-{number:05d}"
            made.executemany(f"INSERT INTO devices VALUES ({marks})", [(site, *row[1:]) for row, _ in template])  # noqa: S608
            made.executemany(
                "INSERT INTO device_documents VALUES (?, ?, ?, ?, ?)", [(site, *each) for _, each in template]
            )
        for _, statement in indices:
            made.execute(statement)
        made.execute("COMMIT")
        made.execute("PRAGMA journal_mode=WAL").close()


def _kept(number: int) -> tuple[Row, Row]:
    (kept,) = substances([_seen(_device(number, "V5.5.0"))])
    row = reported._row(SITE, kept, record(kept.seen))  # noqa: SLF001 - the very rows
    return row, (kept.seen.device.id, kept.device, kept.posture, b"")


def _make_site(connection: Connection) -> None:
    organisations.add_organisation(connection, Organisation(COUNCIL, "Council"))
    organisations.add_site(connection, Site(SITE, COUNCIL, ""))
    gateways.enrol(connection, Gateway(SITE, certificate="", sealing_key="", enrolled_at=0.0))


def _payload(version: str, changed: int) -> bytes:
    """Return a report of which the first devices run another version."""
    found = tuple(_device(number, version if number < changed else "V5.5.0") for number in range(DEVICES))
    posture = Posture({"root": 1}, False, 0, 0, "", tuple(_held(device) for device in found))
    digest = codec.report_digest(found, posture)
    return codec.encode(Report(SITE, BootId("boot"), 1.0, digest, found, posture))


def _device(number: int, version: str) -> Device:
    serial = f"{MODELS[number % 5]}{number:09d}"
    return Device(
        DeviceId(f"serial:{number:04d}-{serial}"),
        Identity(
            maker=MAKERS[number % 5],
            brand=MAKERS[number % 5].title(),
            kind=Kind.CAMERA,
            model=MODELS[number % 5],
            firmware=version,
            build_date="2020-06-05",
            serial=serial,
            confidence=95,
            reasons=("its own protocol says who made it", "its MAC prefix is the maker's"),
            known_by=("SADP", "OUI"),
        ),
        "cam0",
        macs=(Mac(f"00:00:5e:00:{number // 256:02x}:{number % 256:02x}"),),
        addresses=(Address(f"10.0.{number // 250}.{number % 250 + 1}"),),
        first_seen=1.7e9,
        last_seen=1.7e9,
        vulnerabilities=("CVE-2021-36260", "CVE-2017-7921") if number % 2 else (),
    )


def _held(device: Device) -> DevicePosture:
    return DevicePosture(device.id, Level.ISOLATE, Level.ISOLATE, explanation=("the rule, and its reason",))


def _seen(device: Device) -> SeenDevice:
    return SeenDevice(device, _held(device))


class _NothingPublished:
    """No catalogue: reports do not ask for it."""

    @property
    def versions(self) -> dict[str, int]:
        return {}

    def serves(self, gateway: SiteId) -> SiteId:
        return gateway

    def standbys(self, site: SiteId) -> tuple[SiteId, ...]:
        raise NotImplementedError

    def bundle_since(self, held: dict[str, int]) -> CatalogueBundle:
        raise NotImplementedError


def _renew(_connection: Connection, _request: RenewCertificate) -> Certificate:
    raise NotImplementedError


if __name__ == "__main__":
    report(measure)
