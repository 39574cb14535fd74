"""Rollouts in the database: intents and progress by rollout, and every plan ever made."""

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    select,
)

from bartizan.ids import DeviceId, RolloutId, SiteId
from bartizan.wire import codec
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.rollouts.model import Intent, Plan, Progress, RolloutState, Stage
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import METADATA

rollouts = Table(
    "rollouts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False, index=True),
    Column("image", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("intent", LargeBinary, nullable=False),
    Column("plan", BigInteger, nullable=False),
)

rollout_devices = Table(
    "rollout_devices",
    METADATA,
    Column("rollout", Text, ForeignKey("rollouts.id"), primary_key=True),
    Column("device", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index("ix_rollout_devices_device", "device", "rollout"),
)

rollout_plans = Table(
    "rollout_plans",
    METADATA,
    Column("rollout", Text, ForeignKey("rollouts.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("made_at", Double, nullable=False),
    Column("plan", LargeBinary, nullable=False),
)


def add(connection: Connection, intent: Intent) -> None:
    """Store a new rollout.

    Raises:
        Conflict: There is one of that name.
    """
    if connection.execute(select(rollouts.c.id).where(rollouts.c.id == intent.id)).first():
        raise Conflict(f"there is a rollout {intent.id!r} already: choose another name")
    connection.execute(
        rollouts.insert().values(
            id=intent.id,
            state=intent.state.value,
            image=intent.image,
            created_at=intent.created_at,
            intent=codec.encode(intent),
            plan=0,
        )
    )
    for wave in intent.waves:
        for target in wave.targets:
            record(connection, intent.id, target.site, target.device, Progress())


def intent_of(connection: Connection, rollout: RolloutId) -> Intent:
    """Return what people want of a rollout.

    Raises:
        NotFound: There is none of that name.
    """
    row = connection.execute(select(rollouts.c.intent).where(rollouts.c.id == rollout)).first()
    if row is None:
        raise NotFound(f"there is no rollout {rollout!r}")
    return codec.decode(row.intent, Intent)


def intents(connection: Connection, states: Iterable[RolloutState] = tuple(RolloutState)) -> tuple[Intent, ...]:
    """Return all rollouts in one of these states, the newest first."""
    wanted = [state.value for state in states]
    rows = connection.execute(
        select(rollouts.c.intent).where(rollouts.c.state.in_(wanted)).order_by(rollouts.c.created_at.desc())
    )
    return tuple(codec.decode(row.intent, Intent) for row in rows)


def change(connection: Connection, intent: Intent) -> None:
    """Replace what people want of a rollout."""
    connection.execute(
        rollouts.update()
        .where(rollouts.c.id == intent.id)
        .values(state=intent.state.value, intent=codec.encode(intent))
    )


def record(connection: Connection, rollout: RolloutId, site: SiteId, device: DeviceId, progress: Progress) -> None:
    """Store how far a device is."""
    values = {
        "site": site,
        "stage": progress.stage.value,
        "at": progress.at,
        "attempt": progress.attempt,
        "code": progress.code,
        "note": progress.note,
    }
    statement = dialect.insert(connection, rollout_devices).values(rollout=rollout, device=device, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["rollout", "device"], set_=values))


def find_progress(connection: Connection, rollout: RolloutId, site: SiteId, device: DeviceId) -> Progress:
    """Return how far one device of a rollout is.

    Raises:
        NotFound: The rollout does not concern that device of that site.
    """
    row = connection.execute(
        select(rollout_devices).where(
            rollout_devices.c.rollout == rollout, rollout_devices.c.device == device, rollout_devices.c.site == site
        )
    ).first()
    if row is None:
        raise NotFound(f"rollout {rollout!r} does not concern {device!r} of {site!r}")
    return Progress(Stage(row.stage), row.at, row.attempt, row.code, row.note)


def progress_of(connection: Connection, rollout: RolloutId) -> dict[DeviceId, Progress]:
    """Return how far each device of a rollout is."""
    rows = connection.execute(select(rollout_devices).where(rollout_devices.c.rollout == rollout))
    return {DeviceId(row.device): Progress(Stage(row.stage), row.at, row.attempt, row.code, row.note) for row in rows}


def add_plan(connection: Connection, plan: Plan, made_at: float) -> None:
    """Store a plan and make it the rollout's current one.

    Raises:
        Conflict: Its parent is not the current plan: somebody else planned meanwhile.
    """
    moved = connection.execute(
        rollouts.update().where(rollouts.c.id == plan.rollout, rollouts.c.plan == plan.parent).values(plan=plan.number)
    )
    if moved.rowcount != 1:
        raise Conflict(f"plan {plan.number} of {plan.rollout!r} does not follow the current one")
    connection.execute(
        rollout_plans.insert().values(
            rollout=plan.rollout, number=plan.number, made_at=made_at, plan=codec.encode(plan)
        )
    )


def plan_of(connection: Connection, rollout: RolloutId) -> Plan | None:
    """Return the current plan of a rollout; None before the first."""
    row = connection.execute(
        select(rollout_plans.c.plan)
        .join(rollouts, (rollouts.c.id == rollout_plans.c.rollout) & (rollouts.c.plan == rollout_plans.c.number))
        .where(rollouts.c.id == rollout)
    ).first()
    return codec.decode(row.plan, Plan) if row else None
