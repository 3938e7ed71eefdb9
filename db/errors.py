"""Which errors of the database pass by themselves."""

from typing import Final

import asyncpg

_TRANSIENT: Final = (
    OSError,  # refused, reset, unreachable; also the timeouts of asyncio and of asyncpg's commands
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # the connection was closed under a statement
    # asyncpg between the server's farewell and the end of the connection
    # (https://github.com/MagicStack/asyncpg/issues/784).
    asyncpg.InternalClientError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, cannot connect now
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a fail-over under way: this server is not the primary any more
    asyncpg.InvalidCachedStatementError,
)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when it is tried again later."""
    if isinstance(error, asyncpg.UniqueViolationError):
        # Two transactions met a new client at once; the one that comes again finds its row.
        return error.constraint_name == "clients_pkey"
    return isinstance(error, _TRANSIENT)
