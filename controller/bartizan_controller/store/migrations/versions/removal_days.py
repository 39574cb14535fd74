"""Days by which devices have to be removed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the change."""
    op.add_column("devices", sa.Column("remove_by", sa.Double(), nullable=True))
    has_day = sa.text("remove_by IS NOT NULL")
    op.create_index(
        "ix_devices_remove_by", "devices", ["site", "remove_by"], sqlite_where=has_day, postgresql_where=has_day
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("ix_devices_remove_by", "devices")
    op.drop_column("devices", "remove_by")
