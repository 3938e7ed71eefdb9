"""history."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from db import client_reading, groups, history_reading
from db.history_reading import NEWEST, PastChange
from events.outputs import MembershipChanged
from events.reading_commands import History
from events.results import ChangesPage
from workers.aside.client_readings import unknown_client
from workers.aside.group_readings import unknown_group
from workers.aside.jobs import Step
from workers.aside.pages import number_of, page
from workers.commands.answers import Rejected

if TYPE_CHECKING:
    from db.connections import AnyConnection

LOOKED_AT: Final = 200_000
"""Changes that a step looks at for those of a group: about a tenth of a second."""


class _Search(BaseModel):
    """How far the changes of a group were looked for."""

    before: int
    found: list[int] = []


async def history(
    connection: AnyConnection, command: History, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """Changes, newest first: of a client and in one group at once, of a group piece by piece."""
    before = number_of(command.after)
    if progress is not None and command.group is not None:
        return await _of_group(connection, command, command.group, _Search.model_validate(progress))
    await _refuse_unknown(connection, command)
    if command.client_id is not None:
        found = await history_reading.of_client(
            connection,
            command.client_id,
            command.group,
            NEWEST if before is None else before,
            command.limit + 1,
        )
        return _page(found, command.limit)
    newest = await history_reading.last(connection) + 1
    search = _Search(before=newest if before is None else min(before, newest))
    return await _of_group(connection, command, str(command.group), search)


async def _refuse_unknown(connection: AnyConnection, command: History) -> None:
    """A deleted group has a history too: what was never there is refused."""
    if command.group is not None and await groups.find(connection, command.group) is None:
        raise Rejected(await unknown_group(connection, command.group))
    if command.client_id is not None and not await client_reading.exists(connection, command.client_id):
        raise Rejected(unknown_client())


async def _of_group(connection: AnyConnection, command: History, group: str, search: _Search) -> Step:
    lowest = search.before - LOOKED_AT
    search.found += await history_reading.places_of_group(
        connection,
        group,
        lowest=lowest,
        before=search.before,
        limit=command.limit + 1 - len(search.found),
    )
    if len(search.found) > command.limit or lowest <= 1:
        return _page(await history_reading.at_places(connection, search.found), command.limit)
    search.before = lowest
    return Step(progress=search.model_dump())


def _page(found: list[PastChange], limit: int) -> Step:
    places = {(each.client_id, each.version): each.place for each in found}
    rows, after = page(map(changed, found), limit, lambda row: str(places[row.client_id, row.version]))
    return Step(result=ChangesPage(changes=rows, after=after))


def changed(row: PastChange) -> MembershipChanged:
    """A change as it went out."""
    return MembershipChanged.model_validate(
        {
            "client_id": row.client_id,
            "group": row.group_id,
            "change": "joined" if row.joined else "left",
            "version": row.version,
            "source": row.source,
            "moment": row.moment,
            "changed_at": row.changed_at,
            "cause": row.cause,
            "actor": row.actor,
            "reason": row.reason,
            "run_id": row.run_id,
        }
    )
