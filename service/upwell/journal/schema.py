"""Bringing a database's schema up to date, by the migrations in `migrations/`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from upwell.errors import JournalError

HEAD = "0002"
"""The newest revision in `migrations/versions`; a test compares. Known here so that a start needs no Alembic."""

REVISIONS = frozenset({"0001", "0002"})


def revision_of(connection: Connection) -> str | None:
    """The revision of the schema in this database, or None when it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def bring_up_to_date(connection: Connection) -> None:
    """Run the migrations that are missing, in the connection's transaction; the caller commits.

    Raises:
        JournalError: a newer version of Upwell made this schema; nothing was changed.
    """
    revision = revision_of(connection)
    if revision == HEAD:
        return
    if revision is not None and revision not in REVISIONS:
        raise JournalError(
            f"the database has schema {revision}, made by a newer version of Upwell; this one knows {HEAD}. "
            "Start the newer version, or restore a backup from before the upgrade; the database was left as it is."
        )
    _run_migrations(connection)


def _run_migrations(connection: Connection) -> None:
    # Imported here: almost every start finds the schema up to date, and Alembic takes longer to load than to run.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
