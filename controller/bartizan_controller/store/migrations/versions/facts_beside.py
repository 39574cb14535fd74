"""Present facts beside each device's documents, intervals without an end of their own, and how devices were told."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the change."""
    nothing = sa.text("''")
    op.drop_column("devices", "digest")
    op.add_column("devices", sa.Column("told", sa.LargeBinary(), nullable=False, server_default=nothing))
    op.add_column("device_documents", sa.Column("facts", sa.LargeBinary(), nullable=False, server_default=nothing))
    op.execute(
        "UPDATE device_documents SET facts = h.facts FROM device_history AS h"
        " WHERE h.site = device_documents.site AND h.device = device_documents.id AND h.until IS NULL"
    )
    op.drop_index("ix_device_history_open", "device_history")
    op.drop_column("device_history", "until")


def downgrade() -> None:
    """Undo the change."""
    op.add_column("device_history", sa.Column("until", sa.Double(), nullable=True))
    op.execute(
        "UPDATE device_history SET until = (SELECT min(later.since) FROM device_history AS later WHERE later.number ="
        " (SELECT min(next.number) FROM device_history AS next WHERE next.site = device_history.site"
        " AND next.device = device_history.device AND next.number > device_history.number))"
    )
    is_open = sa.text("until IS NULL")
    op.create_index(
        "ix_device_history_open", "device_history", ["site", "device"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.drop_column("device_documents", "facts")
    op.drop_column("devices", "told")
    op.add_column("devices", sa.Column("digest", sa.LargeBinary(), nullable=False, server_default=sa.text("''")))
