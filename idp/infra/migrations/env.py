"""What Alembic runs: the revisions, on the connection and in the transaction of ``upgrade``."""

from alembic import context

from idp.infra.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    compare_type=True,
)
context.run_migrations()
