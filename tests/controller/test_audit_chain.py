"""The audit chain: whatever is changed afterwards shows."""

import pytest
from sqlalchemy import delete, update

from bartizan_controller.audit import Verification, verify
from bartizan_controller.store import audit
from bartizan_controller.store.database import Database
from bartizan_controller.store.tables import audit as rows

NAMES = ("init", "admin", "soc", "gateway north")


@pytest.fixture
def chain(database: Database) -> Database:
    for number, who in enumerate(NAMES):
        database.change(
            lambda c, who=who, number=number: audit.record(c, who, "did", "it", now=float(number), detail={"n": who})  # type: ignore[misc]
        )
    return database


def checked(chain: Database, wanted: str | None = None) -> Verification:
    return chain.query(lambda c: verify(audit.walk(c), wanted) if wanted else verify(audit.walk(c)))


def test_an_untouched_chain_is_sound(chain: Database) -> None:
    entries = chain.query(lambda c: audit.page(c, after=0, limit=10))

    assert [entry.number for entry in entries] == [1, 2, 3, 4]
    assert checked(chain, entries[1].digest) == Verification(4, entries[-1].digest)


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        (update(rows).where(rows.c.number == 2).values(who="somebody"), 2),
        (update(rows).where(rows.c.number == 3).values(at=9.0), 3),
        (update(rows).where(rows.c.number == 3).values(detail=b"{}"), 3),
        (delete(rows).where(rows.c.number == 2), 2),
        (delete(rows).where(rows.c.number == 1), 1),
        (update(rows).where(rows.c.number == 4).values(number=9), 4),
    ],
    ids=["who", "when", "what", "one deleted", "the first deleted", "renumbered"],
)
def test_tampering_shows_where(chain: Database, tampering: object, broken_at: int) -> None:
    chain.change(lambda c: c.execute(tampering))  # type: ignore[call-overload]

    assert checked(chain).broken_at == broken_at


def test_an_end_cut_off_shows_against_a_digest_kept_elsewhere(chain: Database) -> None:
    head = chain.query(lambda c: audit.page(c, after=3, limit=1))[0].digest
    chain.change(lambda c: c.execute(delete(rows).where(rows.c.number == 4)))

    assert checked(chain).broken_at is None
    assert not checked(chain, head).has_wanted


def test_an_entry_is_part_of_the_change_that_it_tells_of(chain: Database) -> None:
    def fail(connection: object) -> None:
        audit.record(connection, "soc", "did", "nothing", now=9.0)  # type: ignore[arg-type]
        raise ValueError("and then it went wrong")

    with pytest.raises(ValueError, match="went wrong"):
        chain.change(fail)

    assert checked(chain).entries == 4
