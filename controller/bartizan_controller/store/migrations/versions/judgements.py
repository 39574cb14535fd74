"""What the controller makes of each gateway's last report."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "judgements",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("differences", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_judgements")),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("judgements")
