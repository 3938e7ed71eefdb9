"""When a cron schedule is due: the clock on the wall of its time zone counts.

Daylight saving as in Debian's cron: a moment that the clock skips comes right after the skip, one that comes
twice is taken once, but a schedule of every hour or minute goes by the time that passes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim


def next_moment(schedule: str, timezone: str, after: datetime) -> datetime:
    """The first due moment after a time, in UTC. Raises what cronsim and zoneinfo raise for a wrong one."""
    moment: datetime = next(CronSim(schedule, after.astimezone(ZoneInfo(timezone))))
    return moment.astimezone(UTC)
