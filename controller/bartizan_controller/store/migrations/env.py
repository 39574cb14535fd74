"""What Alembic runs: every step, on the connection that `bartizan_controller.store.migrate` opened."""

from alembic import context

from bartizan_controller.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite cannot alter a column in place
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
