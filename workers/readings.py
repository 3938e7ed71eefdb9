"""The commands that only read, and what does each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from events.base import Command
from events.reading_commands import (
    Explain,
    GroupHistory,
    History,
    ListGroups,
    ListMembers,
    ListRuns,
    ShowClient,
    ShowGroup,
    ShowRun,
)
from workers.aside_jobs import Job
from workers.client_readings import show_client
from workers.explain_reading import explain_membership
from workers.group_history import group_history
from workers.group_readings import list_groups, list_members, show_group
from workers.history_readings import history
from workers.run_readings import list_runs, show_run

READINGS: Final[Mapping[type[Command], Job]] = {
    ListGroups: list_groups,
    ShowGroup: show_group,
    ListMembers: list_members,
    ShowClient: show_client,
    History: history,
    Explain: explain_membership,
    GroupHistory: group_history,
    ListRuns: list_runs,
    ShowRun: show_run,
}
