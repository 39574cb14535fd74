"""A preview of a million devices, against the same conditions on columns that hold nothing else.

The estate is one of 5,000 sites with 200 devices each, of 1,000 models and firmwares, every confidence, 50 sorts of
exposure, 300 days and six segments. What is proposed is five rules of five conditions. The product reads the database
for what changed (nothing, as between two previews), judges, sums by site and organisation, and lists 100 devices with
their reasons; the floor compares 25 columns of numbers with numbers and adds up.
"""

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, OrganisationId, PolicyId, SiteId
from bartizan.policy.model import (
    All,
    Condition,
    Maker,
    Operator,
    Policy,
    Rule,
    SegmentFacts,
    Sensitivity,
    SiteFacts,
    Subject,
)
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.wire.up import DevicePosture
from bartizan_controller.catalogue.repository import Outlook
from bartizan_controller.inventory import SeenDevice, record, substances
from bartizan_controller.preview import estate
from bartizan_controller.preview.outlook import Previews
from bartizan_controller.store import dialect, migrate, reported
from bartizan_controller.store.database import Database
from bench.floor import Goal, Result, in_turn, milliseconds, report

SITES = 5_000
DEVICES = 200
VARIANTS = 50  # sites that differ from each other; the others are copies of them
COMPARED = 50  # sites that the reference judges device by device
MAKERS = ("hikvision", "dahua", "axis", "hanwha", "uniview", "")
LISTED = 100
NOW = 1_767_225_600.0
DAY = 86_400.0


def measure() -> Iterator[Result]:
    """Measure the first preview after a start, and those that follow it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "estate.db"
        _fill(file)
        with Database(dialect.sqlite_url(file)) as database:
            yield from _previews(database)


def _previews(database: Database) -> Iterator[Result]:
    previews, present, outlook = Previews(), _catalogue(()), Outlook(_catalogue(_rules()), 1)

    def product() -> None:
        database.query(lambda c: previews.of_estate(c, present, outlook, None, at=NOW, limit=LISTED))

    began = time.perf_counter()
    product()
    yield Result(f"first preview of {SITES * DEVICES:,} devices after a start", time.perf_counter() - began, "s")
    columns = np.random.default_rng(1).integers(0, 100, (25, SITES * DEVICES), dtype=np.int32)
    value, floor = in_turn(lambda: milliseconds(product), lambda: milliseconds(lambda: _bare(columns)))
    goal = Goal("value", at_most=100)
    yield Result(f"preview of {SITES * DEVICES:,} devices, 5 rules of 5 conditions", value, "ms", floor, goal)
    some = frozenset({OrganisationId("compared")})
    ours, reference = (
        database.query(lambda c: of_estate(c, present, outlook, some, at=NOW, limit=LISTED))  # noqa: B023 - called at once
        for of_estate in (previews.of_estate, estate.of_estate)
    )
    assert ours == reference
    assert ours.total.devices == COMPARED * DEVICES
    equal = float(ours.total.devices)
    yield Result("devices of it for which it was the reference evaluator's", equal, "devices")


def _bare(columns: np.ndarray[tuple[int, int], np.dtype[np.int32]]) -> int:
    held = np.zeros(columns.shape[1], np.bool_)
    for rule in columns.reshape(5, 5, -1):
        matched = rule[0] > 10
        for column in rule[1:]:
            matched &= column > 10
        held |= matched
    return int(held.sum())


def _rules() -> tuple[Rule, ...]:
    def rule(name: str, level: Level, *conditions: Condition) -> Rule:
        return Rule(name, All(conditions), "because", level)

    law = Condition(Subject.SUBJECT_TO, Operator.IS, ("law",))
    camera = Condition(Subject.KIND, Operator.IS, ("camera", "recorder"))
    sure = Condition(Subject.CONFIDENCE, Operator.AT_LEAST, ("60",))
    sensitive = Condition(Subject.SITE_SENSITIVITY, Operator.IS, ("sensitive",))
    open_to = Condition(Subject.VULNERABLE_TO, Operator.MATCHES, ("CVE-*",))
    old = Condition(Subject.FIRMWARE, Operator.BEFORE, ("V5.5.500",))
    recent = Condition(Subject.FIRST_SEEN, Operator.AFTER, ("2025-06-01",))
    yard = Condition(Subject.ZONE, Operator.IS, ("zone-1", "zone-3"))
    model = Condition(Subject.MODEL, Operator.MATCHES, ("DS-2*",))
    return (
        rule("a", Level.ISOLATE, law, camera, sure, sensitive, model),
        rule("b", Level.BLOCK_EGRESS, law, camera, old, recent, yard),
        rule("c", Level.QUARANTINE, open_to, camera, sure, sensitive, old),
        rule("d", Level.BLOCK_EGRESS, open_to, recent, yard, model, law),
        rule("e", Level.ISOLATE, camera, sure, old, yard, sensitive),
    )


def _catalogue(rules: tuple[Rule, ...]) -> Catalogue:
    segments = tuple(SegmentFacts(f"eth{number}", f"zone-{number}") for number in range(6))
    sites = tuple(
        SiteFacts(
            _site(number),
            _organisation(number),
            Sensitivity.SENSITIVE if number % 3 else Sensitivity.ORDINARY,
            segments=segments,
        )
        for number in range(SITES)
    )
    makers = tuple(Maker(each, each, "CN", "x", subject_to=("law",) if each < "c" else ()) for each in MAKERS if each)
    policies = (Policy(PolicyId("p"), "p", 1, 1, rules),) if rules else ()
    return Catalogue({}, 0.0, DirectorKeys({}), policies=policies, makers=makers, sites=sites)


def _site(number: int) -> SiteId:
    return SiteId(f"site-{number:05d}")


def _organisation(number: int) -> OrganisationId:
    return OrganisationId("compared" if number < COMPARED else f"council-{number % 97}")


def _seen(site: int, number: int) -> SeenDevice:
    of = site * DEVICES + number
    exposed = tuple(f"CVE-{of % 50}" for _ in range(of % 3 > 0))
    device = Device(
        DeviceId(f"serial:{number:04d}"),
        Identity(
            maker=MAKERS[of % 6],
            brand=MAKERS[of % 5],
            kind=Kind.CAMERA if of % 20 else Kind.RECORDER,
            model=f"DS-{of % 4}{of % 500:03d}",
            firmware=f"V5.5.{of % 1000}",
            confidence=of % 101,
        ),
        f"eth{of % 6}",
        first_seen=NOW - (of % 300) * DAY,
        vulnerabilities=exposed,
    )
    return SeenDevice(device, DevicePosture(device.id, Level.WATCH, Level.WATCH))


def _fill(file: Path) -> None:
    """Make the estate: rows in the order of their keys, without a journal."""
    migrate.upgrade(dialect.sqlite_url(file))
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as made:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-262144"):
            made.execute(f"PRAGMA {pragma}").close()
        made.execute("BEGIN")
        names = {_organisation(number) for number in range(SITES)}
        made.executemany("INSERT INTO organisations VALUES (?, '', NULL, 0)", [(name,) for name in names])
        made.executemany(
            "INSERT INTO sites VALUES (?, ?, '', 0)",
            [(_site(number), _organisation(number)) for number in range(SITES)],
        )
        made.executemany(
            "INSERT INTO gateways (site, certificate, sealing_key, enrolled_at, connected, boot, capability,"
            " agent_version, clock_offset, events_pending, credentials, report_digest)"
            " VALUES (?, '', '', 0, 1, '', 3, '', 0, 0, 0, 'd')",
            [(_site(number),) for number in range(SITES)],
        )
        variants = [substances(_seen(site, number) for number in range(DEVICES)) for site in range(VARIANTS)]
        rows = [[reported._row(SiteId(""), kept, record(kept.seen)) for kept in each] for each in variants]  # noqa: SLF001 - the very rows
        marks = ", ".join("?" * len(rows[0][0]))
        for number in range(SITES):
            site, of = _site(number), number % VARIANTS
            made.executemany(f"INSERT INTO devices VALUES ({marks})", [(site, *row[1:]) for row in rows[of]])  # noqa: S608 - all of it stands here
            made.executemany(
                "INSERT INTO device_documents VALUES (?, ?, ?, ?, '')",
                [(site, kept.seen.device.id, kept.device, kept.posture) for kept in variants[of]],
            )
        made.execute("COMMIT")
        made.execute("PRAGMA journal_mode=WAL").close()


if __name__ == "__main__":
    report(measure)
