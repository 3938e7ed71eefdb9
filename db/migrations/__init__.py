"""The schema's migrations: SQL files, run in order by Alembic."""
