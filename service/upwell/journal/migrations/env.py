"""Run by Alembic, with the connection that `schema.bring_up_to_date` opened and commits."""

from alembic import context

from upwell.journal.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # One transaction around all revisions, opened and committed by the caller: SQLite can roll back DDL too.
    transaction_per_migration=False,
)
context.run_migrations()
