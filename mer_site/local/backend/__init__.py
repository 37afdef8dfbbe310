"""A database backend: PostgreSQL from the embedded server."""
