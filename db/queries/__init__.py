"""Named SQL: one .sql file a table family, one line of description a query (loaded by aiosql)."""

from functools import cache
from pathlib import Path
from typing import Any

import aiosql

_FOLDER = Path(__file__).parent


@cache
def load(name: str) -> Any:
    """The queries of `<name>.sql` as async functions of (connection, **parameters).

    Typed `Any` because their names live in SQL: each module of db/ wraps its own in typed functions.
    """
    return aiosql.from_path(_FOLDER / f"{name}.sql", "asyncpg")
