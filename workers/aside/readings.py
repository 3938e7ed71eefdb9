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
from workers.aside.client_readings import show_client
from workers.aside.group_readings import list_groups, list_members, show_group
from workers.aside.history_readings import history
from workers.aside.jobs import Job
from workers.aside.run_readings import list_runs, show_run
from workers.explaining.explanations import explain_membership
from workers.explaining.group_history import group_history

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
