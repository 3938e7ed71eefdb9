"""Named instants at which a chaos test has the process killed."""

import os
import signal
from collections import Counter

VARIABLE = "CLIENT_GROUPS_CRASH_AT"
"""Environment variable: a name, or `name:N` for the N-th time that the name is reached."""

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Kill this process with SIGKILL if the environment says so; else do nothing."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    crash_at, _, count = wanted.partition(":")
    if crash_at == name:
        _reached[name] += 1
        if _reached[name] >= int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
