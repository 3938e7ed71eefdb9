"""Advisory locks, in the order in which a transaction takes them.

1. RULES: shared by whatever evaluates, exclusive for whatever changes groups or conditions.
2. (rows of `clients`, sorted by client_id)
3. LOG: the last step of each transaction that appends to the log, held until its commit: it makes
   the order of `seq` the order of commits.

RELAY is a session lock: whoever holds it is the one relay. SCHEDULES and OWED are only
tried, never waited for.
"""

from typing import Final

# Two-key advisory locks: the first key is this project's own, so that another user of the same
# database does not meet ours by accident.
NAMESPACE: Final = 0x636C6772  # "clgr"
RULES: Final = 1
LOG: Final = 2
RELAY_LOCK: Final = 3
MIGRATION: Final = 4
SCHEDULES: Final = 5
OWED: Final = 6
