"""What a query runs on."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from asyncpg import Connection, Record
    from asyncpg.pool import PoolConnectionProxy

AnyConnection: TypeAlias = "Connection[Record] | PoolConnectionProxy[Record]"
"""A connection of one's own, or one lent by a pool."""
