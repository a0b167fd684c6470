"""How alembic walks the steps: over the connection, and in the transaction, that `app.formats` brings."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], version_table=context.config.attributes["version_table"]
)
context.run_migrations()
