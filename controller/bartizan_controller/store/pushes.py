"""Pushes in the database: what was signed and decided, what each site was told and read back, and every plan."""

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, ForeignKey, LargeBinary, Table, Text, select

from bartizan.ids import SiteId
from bartizan.wire import codec
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.pushes.model import Intent, Plan, PushState
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import METADATA

pushes = Table(
    "pushes",
    METADATA,
    Column("policy", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False, index=True),
    Column("intent", LargeBinary, nullable=False),
    Column("plan", BigInteger, nullable=False),
)

push_sites = Table(
    "push_sites",
    METADATA,
    Column("policy", BigInteger, ForeignKey("pushes.policy"), primary_key=True, autoincrement=False),
    Column("site", Text, primary_key=True),
    Column("told", Boolean, nullable=False),
    Column("judged", Text, nullable=False),
    Column("in_force", Boolean, nullable=False),
    Column("differences", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
    Column("stream_drops", BigInteger, nullable=False),
)

push_plans = Table(
    "push_plans",
    METADATA,
    Column("policy", BigInteger, ForeignKey("pushes.policy"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("made_at", Double, nullable=False),
    Column("plan", LargeBinary, nullable=False),
)


class PushedSite(msgspec.Struct, frozen=True):
    """What one site was told of a push, and what it read back."""

    told: bool = False
    """Whether an order of this push stands in its book."""
    judged: str = ""
    """Digest of the report that was judged last."""
    in_force: bool = False
    differences: tuple[str, ...] = ()
    at: float = 0.0
    """Since when the two above are so; Unix seconds."""
    stream_drops: int = 0
    """Packets from cameras to recorders that had been dropped when it was first judged."""


def add(connection: Connection, intent: Intent) -> None:
    """Store a new push."""
    values = {"policy": intent.policy, "state": intent.state.value, "intent": codec.encode(intent), "plan": 0}
    connection.execute(pushes.insert().values(**values))


def find(connection: Connection, policy: int) -> Intent:
    """Return a push.

    Raises:
        NotFound: That version of policy did not go out in stages.
    """
    row = connection.execute(select(pushes.c.intent).where(pushes.c.policy == policy)).first()
    if row is None:
        raise NotFound(f"policy {policy} did not go out in stages, or was never published: see bartizan push list")
    return codec.decode(row.intent, Intent)


def states(connection: Connection) -> dict[int, PushState]:
    """Return how every push is, by its version of policy."""
    rows = connection.execute(select(pushes.c.policy, pushes.c.state))
    return {int(row.policy): PushState(row.state) for row in rows}


def newest(connection: Connection, *, limit: int) -> tuple[Intent, ...]:
    """Return so many pushes, the newest first."""
    query = select(pushes.c.intent).order_by(pushes.c.policy.desc()).limit(limit)
    return tuple(codec.decode(row.intent, Intent) for row in connection.execute(query))


def with_orders(connection: Connection) -> frozenset[int]:
    """Return the pushes of which an order still stands somewhere."""
    query = select(push_sites.c.policy).where(push_sites.c.told).distinct()
    return frozenset(int(row.policy) for row in connection.execute(query))


def change(connection: Connection, intent: Intent) -> None:
    """Replace what was decided of a push."""
    connection.execute(
        pushes.update()
        .where(pushes.c.policy == intent.policy)
        .values(state=intent.state.value, intent=codec.encode(intent))
    )


def sites_of(connection: Connection, policy: int) -> dict[SiteId, PushedSite]:
    """Return what is known of the sites of a push; those that nothing is known of are left out."""
    rows = connection.execute(select(push_sites).where(push_sites.c.policy == policy))
    return {
        SiteId(row.site): PushedSite(
            row.told,
            row.judged,
            row.in_force,
            codec.decode(row.differences, tuple[str, ...]),
            row.at,
            row.stream_drops,
        )
        for row in rows
    }


def record(connection: Connection, policy: int, known: Mapping[SiteId, PushedSite]) -> None:
    """Store what is known of sites of a push."""
    for site, each in known.items():
        values = msgspec.structs.asdict(each) | {"differences": codec.encode(each.differences)}
        statement = dialect.insert(connection, push_sites).values(policy=policy, site=site, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["policy", "site"], set_=values))


def add_plan(connection: Connection, plan: Plan, made_at: float) -> None:
    """Store a plan and make it the push's current one.

    Raises:
        Conflict: Its parent is not the current plan: somebody else planned meanwhile.
    """
    moved = connection.execute(
        pushes.update().where(pushes.c.policy == plan.policy, pushes.c.plan == plan.parent).values(plan=plan.number)
    )
    if moved.rowcount != 1:
        raise Conflict(f"plan {plan.number} of push {plan.policy} does not follow the current one")
    connection.execute(
        push_plans.insert().values(policy=plan.policy, number=plan.number, made_at=made_at, plan=codec.encode(plan))
    )


def plan_of(connection: Connection, policy: int) -> Plan | None:
    """Return the current plan of a push; None before the first."""
    row = connection.execute(
        select(push_plans.c.plan)
        .join(pushes, (pushes.c.policy == push_plans.c.policy) & (pushes.c.plan == push_plans.c.number))
        .where(pushes.c.policy == policy)
    ).first()
    return codec.decode(row.plan, Plan) if row else None


def plans_of(connection: Connection, policy: int) -> Iterable[tuple[float, Plan]]:
    """Return every plan of a push with when it was made, the oldest first."""
    query = select(push_plans).where(push_plans.c.policy == policy).order_by(push_plans.c.number)
    return [(row.made_at, codec.decode(row.plan, Plan)) for row in connection.execute(query)]
