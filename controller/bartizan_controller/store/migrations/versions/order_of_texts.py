"""Texts in the order of their characters' numbers, whatever language the database was made for. SQLite has no other."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_TEXTS = sa.text(
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND data_type = 'text' ORDER BY table_name, ordinal_position"
)


def upgrade() -> None:
    """Make the change."""
    _collate("C")


def downgrade() -> None:
    """Undo the change."""
    _collate("default")


def _collate(collation: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(_TEXTS):
        columns.setdefault(table, []).append(f'ALTER COLUMN "{column}" TYPE text COLLATE "{collation}"')
    for table, changes in columns.items():
        op.execute(f'ALTER TABLE "{table}" {", ".join(changes)}')
