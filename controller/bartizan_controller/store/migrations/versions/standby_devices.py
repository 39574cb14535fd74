"""What standby gateways hold, device by device, to be judged."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the change."""
    collation = "C" if op.get_bind().dialect.name == "postgresql" else None
    op.create_table(
        "standby_devices",
        sa.Column("gateway", sa.Text(collation=collation), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_standby_devices")),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("standby_devices")
