"""Reviews of containment that was lifted by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "reviews",
        sa.Column("event", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reviewed_at", sa.Double(), nullable=False),
        sa.Column("reviewed_by", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("pk_reviews")),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("reviews")
