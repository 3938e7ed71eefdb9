"""All checks in their order, the basic ones first. Each raises the first Difference it finds."""

from __future__ import annotations

from tests.chaos import verdict, verdict_runs
from tests.chaos.evidence import Evidence
from tests.chaos.verdict_facts import facts_agree


def judge(evidence: Evidence) -> None:
    """What went over Kafka, the tables and the model."""
    _judge_tables(evidence)
    verdict.events_are_cloud_events(evidence)
    changes = verdict.changes_by_client(evidence)
    verdict.changes_are_the_history(evidence, changes)
    verdict.changes_are_the_models(evidence, changes)
    verdict.memberships_agree(evidence, changes)
    verdict.snapshots_agree(evidence, changes)
    verdict_runs.runs_are_told(evidence)
    verdict_runs.nothing_is_left_to_check(evidence)


def judge_without_relay(evidence: Evidence) -> None:
    """The tables and the model alone."""
    _judge_tables(evidence)
    changes = verdict.changes_in_the_history(evidence)
    verdict.changes_are_the_models(evidence, changes)
    verdict.memberships_agree(evidence, changes)
    verdict_runs.nothing_is_left_to_check(evidence)


def _judge_tables(evidence: Evidence) -> None:
    evidence.fold()
    verdict.every_record_taken_once(evidence)
    verdict.dead_letters(evidence)
    verdict.answers(evidence)
    verdict.groups_agree(evidence)
    facts_agree(evidence)
    verdict_runs.pins_agree(evidence)
    verdict.steady_groups_follow_from_the_facts(evidence)
