"""Pushes of policy: what was signed and decided, what each site read back, and every plan."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "pushes",
        sa.Column("policy", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("intent", sa.LargeBinary(), nullable=False),
        sa.Column("plan", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("policy", name=op.f("pk_pushes")),
    )
    op.create_index(op.f("ix_pushes_state"), "pushes", ["state"], unique=False)
    op.create_table(
        "push_sites",
        sa.Column("policy", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("judged", sa.Text(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.Column("differences", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("stream_drops", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["policy"], ["pushes.policy"], name=op.f("fk_push_sites_policy")),
        sa.PrimaryKeyConstraint("policy", "site", name=op.f("pk_push_sites")),
    )
    op.create_table(
        "push_plans",
        sa.Column("policy", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["policy"], ["pushes.policy"], name=op.f("fk_push_plans_policy")),
        sa.PrimaryKeyConstraint("policy", "number", name=op.f("pk_push_plans")),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("push_plans")
    op.drop_table("push_sites")
    op.drop_table("pushes")
