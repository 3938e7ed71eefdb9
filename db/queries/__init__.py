"""Named SQL: one .sql file a table family, one line of description a query (loaded by aiosql)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter

_FOLDER = Path(__file__).parent


class _OnConnection(AsyncPGAdapter):
    """aiosql's own adapter for asyncpg, less its `dir()` of the connection at every call.

    It looks there whether it was handed a pool; here it is always a connection, and the look costs
    more than some statements do.
    """

    def _arguments(self, query_name: str, parameters: Any) -> Sequence[Any]:
        ordered: Sequence[Any] = self.maybe_order_params(query_name, parameters)  # type: ignore[no-untyped-call]
        return ordered

    async def select(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        for row in await conn.fetch(sql, *self._arguments(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        return await conn.fetchrow(sql, *self._arguments(query_name, parameters))

    async def select_value(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any:
        return await conn.fetchval(sql, *self._arguments(query_name, parameters))

    async def insert_update_delete(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any:
        return await conn.execute(sql, *self._arguments(query_name, parameters))

    async def insert_update_delete_many(
        self, conn: Any, query_name: str, sql: str, parameters: Iterable[Mapping[str, Any]]
    ) -> Any:
        return await conn.executemany(sql, [self._arguments(query_name, each) for each in parameters])


@cache
def load(name: str) -> Any:
    """The queries of `<name>.sql` as functions of (connection, **parameters).

    A query that reads rows is an async iterator of them, any other is awaited. Typed `Any` because
    the names live in SQL: each module of db/ wraps its own in typed functions.
    """
    return aiosql.from_path(
        _FOLDER / f"{name}.sql",
        _OnConnection,  # type: ignore[arg-type]
        mandatory_parameters=False,
    )
