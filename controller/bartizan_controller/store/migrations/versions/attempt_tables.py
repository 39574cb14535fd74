"""Attempts: what devices tried to reach and were kept from."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "attempts",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("site", "device", "mac", "destination", "protocol")),
        sa.Column("port", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_at", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("packets", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name=op.f("fk_attempts_site")),
        sa.PrimaryKeyConstraint("site", "device", "mac", "destination", "protocol", "port", name=op.f("pk_attempts")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("attempts")
