"""Random events and commands, step by step, on a real database and on the plain model: they stay the same.

STATE_MACHINE_EXAMPLES in the environment gives another number of examples, drawn anew at each run.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.support import strategies_wire as wire
from tests.support.side_by_side import SideBySide
from tests.support.strategies_wire import Said

EXAMPLES: Final = os.environ.get("STATE_MACHINE_EXAMPLES", "")
PROFILE: Final = settings(
    max_examples=int(EXAMPLES or 25),
    derandomize=not EXAMPLES,
    database=None,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
_minutes = st.integers(0, wire.MINUTES)


class Machine(RuleBasedStateMachine):
    """A worker and the model. Every rule ends by comparing the two."""

    new_database: Callable[[], AbstractContextManager[str]]

    def __init__(self) -> None:
        super().__init__()
        self._exits = ExitStack()
        self._runner = self._exits.enter_context(asyncio.Runner())
        self._both = SideBySide(self._exits.enter_context(self.new_database()))
        self._runner.run(self._both.start())

    def teardown(self) -> None:
        self._runner.run(self._both.stop())
        self._exits.close()

    @initialize(groups=wire.all_groups)
    def begin(self, groups: tuple[Said, ...]) -> None:
        for provider in wire.PROVIDERS:
            said = {"changed_at": wire.at(0), "name": provider, "authorization_methods": ["google", "phone"]}
            self._take(("provider-changed", {"provider_id": provider, "active": True, **said}))
        for group in groups:
            self._take(group)
        for client in wire.CLIENTS:
            self._take(("client-registered", {"client_id": client, "registered_at": wire.at(1)}))

    @rule(events=st.lists(wire.client_events, min_size=1, max_size=3))
    def client_events(self, events: list[Said]) -> None:
        self._take(*events)

    @rule(events=st.lists(wire.client_events | wire.deletions | wire.other_events, min_size=2, max_size=5))
    def all_sorts(self, events: list[Said]) -> None:
        self._take(*events)

    @rule(event=wire.client_events)
    def client_event(self, event: Said) -> None:
        self._take(event)

    @rule(event=wire.deletions)
    def deletion(self, event: Said) -> None:
        self._take(event)

    @rule(event=wire.other_events)
    def other_event(self, event: Said) -> None:
        self._take(event)

    @rule(command=wire.change_group | wire.put_group)
    def define_group(self, command: Said) -> None:
        self._take(command)

    @rule(command=wire.delete_group | wire.put_group | wire.put_group)
    def delete_or_put_group(self, command: Said) -> None:
        self._take(command)

    @rule(command=wire.by_hand, minute=_minutes)
    def by_hand(self, command: Said, minute: int) -> None:
        self._take(command, minute=minute)

    @rule(command=wire.pin, minute=_minutes)
    def pin(self, command: Said, minute: int) -> None:
        self._take(command, minute=minute)

    @rule(command=wire.unpin, minute=_minutes)
    def unpin(self, command: Said, minute: int) -> None:
        self._take(command, minute=minute)

    @rule(minutes=st.integers(1, 4))
    def time_passes(self, minutes: int) -> None:
        self._runner.run(self._both.pass_time(minutes))

    @rule()
    def restart(self) -> None:
        self._runner.run(self._both.stop())
        self._runner.run(self._both.start())

    def _take(self, *said: Said, minute: int | None = None) -> None:
        self._runner.run(self._both.take(*said, minute=minute))


@pytest.mark.timeout(0 if EXAMPLES else 450)  # a failure is made small for 300 s at the most
def test_the_worker_does_what_the_model_does(
    new_database: Callable[[], AbstractContextManager[str]],
) -> None:
    class Here(Machine):
        pass

    Here.new_database = staticmethod(new_database)
    run_state_machine_as_test(Here, settings=PROFILE)
