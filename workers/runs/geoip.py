"""Runs that look addresses up: those that could not be before, or all of them again (mission B5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db import clients, leaves, owed
from db.runs import Chunk
from rules import attributes
from rules.model import Moment
from workers.membership.folding import LookUp
from workers.membership.touched import Cause
from workers.membership.work import Work
from workers.runs.checks import CheckRuns
from workers.runs.kinds import Piece

if TYPE_CHECKING:
    from db.connections import AnyConnection
    from rules.ruleset import RuleSet


class OwedRuns(CheckRuns):
    """Kind `owed`: looks up what was not, then does the checks that are owed, with the moment they had."""

    def __init__(self, look_up: LookUp) -> None:
        super().__init__(Moment.CHANGE)
        self._look_up = look_up

    async def check(self, connection: AnyConnection, chunk: Chunk, rules: RuleSet, cause: Cause) -> Piece:
        """Some clients that something is owed to."""
        client_ids = chunk.client_ids or ()
        work = Work(await clients.lock(connection, client_ids), rules)
        known = set()
        for client_id in client_ids:
            work.look_up_again(client_id, self._look_up, cause.at)
            client = work[client_id].client
            if client.geoip_build is not None or client.ip is None:
                known.add(client_id)
        checked = set(await leaves.groups_checked(connection, chunk.run_id))
        done, found = [], list[tuple[str, str, str | None]]()
        for client_id, group, moment in await owed.of_clients(connection, sorted(known)):
            done.append((client_id, group))
            if group in checked:
                found += _check(work, client_id, rules.mask([group]), cause._replace(moment=Moment(moment)))
        await leaves.collect(connection, chunk.run_id, found)
        if done:
            await owed.settle(connection, done)
        return Piece(work.net(), to_leave=len(found))


class GeoipRuns(CheckRuns):
    """Kind `geoip`: looks all addresses up again, and checks those whose country is another one now."""

    def __init__(self, look_up: LookUp) -> None:
        super().__init__(Moment.CHANGE)
        self._look_up = look_up

    async def check(self, connection: AnyConnection, chunk: Chunk, rules: RuleSet, cause: Cause) -> Piece:
        """A range of clients."""
        different = []
        for each in await owed.addresses(connection, chunk.after_id or "", chunk.last_id or ""):
            country, build = self._look_up(each.ip)
            if build is not None and (not each.looked_up or country != each.country):
                different.append(each.client_id)
        if not different:
            return Piece()
        work = Work(await clients.lock(connection, different), rules)
        groups = await leaves.groups_checked(connection, chunk.run_id)
        checked = rules.mask(groups) & rules.upon_change & rules.readers([attributes.GEOIP_COUNTRY])
        found: list[tuple[str, str, str | None]] = []
        for client_id in different:
            effect = work.look_up_again(client_id, self._look_up, cause.at, known=True)
            if effect.attributes:
                found += _check(work, client_id, checked, cause)
        await leaves.collect(connection, chunk.run_id, found)
        return Piece(work.net(), to_leave=len(found))


def _check(work: Work, client_id: str, checked: int, cause: Cause) -> list[tuple[str, str, str | None]]:
    """Check a client; answers its leaves. At registration nobody leaves."""
    if cause.moment is Moment.REGISTRATION:
        work.check(client_id, checked, cause)
        return []
    return [(client_id, group, cause.moment.value) for group in work.check_adding(client_id, checked, cause)]
