"""preview, on a real database (mission B3): what it says is what a check then does, as of one moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import strategies_wire as wire
from tests.support.driver import Driver, condition, driver
from tests.support.previewing import NAME, Previewing, previewing

DE = condition("country", value="DE")
FR = condition("country", value="FR")


@pytest.fixture
async def preview(work: Driver, database_url: str) -> AsyncIterator[Previewing]:
    async with previewing(work, database_url) as made:
        yield made


def group(*conditions: dict[str, Any], **auto_assignment: Any) -> dict[str, Any]:
    return {
        "group": "g",
        "name": "A group",
        "auto_assignment": auto_assignment,
        "conditions": list(conditions),
    }


async def register(work: Driver, country: str, *client_ids: str) -> None:
    said = {"registered_at": work.now.isoformat(), "country": country}
    await work.handle(*(work.record("client-registered", {"client_id": each, **said}) for each in client_ids))


async def told(work: Driver, run_id: str) -> list[dict[str, Any]]:
    return [each for each in await work.sent("assignment-runs") if each["run_id"] == run_id]


async def test_it_counts_and_names_and_writes_nothing(work: Driver, preview: Previewing) -> None:
    await work.command("put-group", **group(DE, exclude=True))
    await register(work, "DE", "de-1", "de-2", "de-3")
    await register(work, "FR", "fr-1", "fr-2")
    await work.command("add-members", group="g", clients=["de-1", "fr-2", "nobody-yet"])
    before = await work.fetch("SELECT * FROM groups, memberships, clients ORDER BY 1, 2, 3")
    answer = await preview.ask(**group(FR, exclude=True), id="what-if", actor="ann", reason="curious")
    assert (answer["status"], answer["group"]) == ("done", "g")
    assert answer["result"] == {
        "as_of": f"{work.now:%Y-%m-%dT%H:%M:%S}.000000Z",
        "total": 5,
        "would_join": 1,
        "would_leave": 1,
        "would_be_held": False,
        "would_stay": 2,
        "unknown": 0,
        "sample": {"join": ["fr-1"], "leave": ["de-1"]},
    }
    assert await work.fetch("SELECT * FROM groups, memberships, clients ORDER BY 1, 2, 3") == before
    assert await work.fetch("SELECT run_id FROM runs") == []
    runs = await told(work, "what-if")
    assert [(each["kind"], each["state"], each["checked"], each["total"]) for each in runs] == [
        ("preview", "running", 0, 5),
        ("preview", "done", 5, 5),
    ]
    assert (runs[0]["groups"], runs[0]["actor"], runs[0]["reason"]) == (["g"], "ann", "curious")


async def test_a_group_that_is_not_there_yet(work: Driver, preview: Previewing) -> None:
    await register(work, "DE", "1", "2")
    answer = await preview.ask(**group(DE), sample=0)
    assert (answer["result"]["would_join"], answer["result"]["would_stay"]) == (2, 0)
    assert answer["result"]["sample"] == {"join": [], "leave": []}
    nothing = await preview.ask(**group())
    assert [each["code"] for each in nothing["warnings"]] == ["no_conditions"]
    assert nothing["result"]["would_join"] == 0


async def test_the_sample_has_the_first_and_some_of_the_others(work: Driver, preview: Previewing) -> None:
    many = [f"c{number:04}" for number in range(4_500)]
    await register(work, "DE", *many)
    preview.job.tell_every_s = 0
    answer = await preview.ask(**group(DE), id="p", sample=20)
    join = answer["result"]["sample"]["join"]
    assert join[:10] == many[:10]
    assert join == sorted(set(join))
    assert len(join) == 20
    assert not set(join[10:]) <= set(many[:2_000])
    assert [each["checked"] for each in await told(work, "p")] == [0, 2_000, 4_000, 4_500, 4_500]
    again = await preview.ask(**group(DE), id="p", sample=20)
    assert again["result"]["sample"] == answer["result"]["sample"]


async def test_it_is_refused_where_put_group_is(work: Driver, preview: Previewing) -> None:
    provider = condition("provider", value="p1")
    wrong = {
        **group(condition("request_parameter", "matches", "(", parameter="x"), provider),
        "if_version": 3,
    }
    answer = await preview.ask(**wrong)
    put = await work.command("put-group", **wrong)
    assert answer["status"] == put["status"] == "rejected"
    assert answer["errors"] == put["errors"] != []
    assert await work.sent("assignment-runs") == []

    said = {"provider_id": "p1", "changed_at": work.now.isoformat(), "name": "P", "authorization_methods": []}
    await work.publish("provider-changed", **said, active=True)
    await work.command("put-group", **group(provider))
    version = await preview.ask(**group(provider), if_version=7)
    assert [each["code"] for each in version["errors"]] == ["version_conflict"]
    await work.publish("provider-changed", **{**said, "changed_at": work.now.isoformat()}, active=False)
    kept = await preview.ask(**group(provider, DE))
    put = await work.command("put-group", **group(provider, DE))
    assert kept["status"] == put["status"] == "done"
    assert "inactive_provider" in [each["code"] for each in kept["warnings"]]
    changed = [each for each in put["warnings"] if each["code"] == "conditions_changed"]
    assert kept["warnings"] + changed == put["warnings"]


@asynccontextmanager
async def held_up(work: Driver, preview: Previewing) -> AsyncIterator[asyncio.Task[bool]]:
    """A preview that has its snapshot, and goes on when this is left."""
    async with preview.telling.acquire():
        going = asyncio.create_task(preview.aside.step())
        async with asyncio.timeout(20):
            while not await work.fetch(  # noqa: ASYNC110 - another process is watched
                "SELECT FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle in transaction'"
                " AND query LIKE '%count(*)%' AND datname = current_database()",
                NAME,
            ):
                await asyncio.sleep(0.01)
        yield going


async def test_events_and_commands_meanwhile_neither_wait_nor_count(
    work: Driver, preview: Previewing
) -> None:
    await work.command("put-group", **group(DE, exclude=True, upon_registration=True))
    await register(work, "DE", "1", "2")
    cause = await preview.asking.put("preview", **group(FR, exclude=True))
    as_of = work.now
    async with held_up(work, preview) as going:
        await register(work, "FR", "3", "4")
        await work.publish("client-changed", client_id="1", changed_at=work.now.isoformat(), country="FR")
        assert (await work.command("pin", group="g", clients=["2"], hold="in"))["status"] == "done"
        assert (await work.command("put-group", **group(FR)))["status"] == "done"
        assert (await work.command("delete-group", group="g"))["status"] == "done"
        assert (await preview.asking.ask("list-groups"))["status"] == "done"
        assert not going.done()
    await going
    (answer,) = await preview.asking.answers(cause)
    result = answer["result"]
    assert (result["total"], result["would_join"], result["would_leave"]) == (2, 0, 2)
    assert result["as_of"] == f"{as_of:%Y-%m-%dT%H:%M:%S}.000000Z"


async def test_who_is_killed_leaves_it_to_another(
    work: Driver, preview: Previewing, database_url: str
) -> None:
    await register(work, "DE", "1")
    cause = await preview.asking.put("preview", **group(DE), id="p")
    async with held_up(work, preview) as going, previewing(work, database_url) as other:
        assert not await other.aside.step()
        going.cancel()
        await asyncio.wait([going])
        assert await other.aside.step()
    assert not await preview.aside.step()
    (answer,) = await preview.asking.answers(cause)
    assert answer["result"]["would_join"] == 1
    assert [each["state"] for each in await told(work, "p")] == ["running", "done"]


async def test_a_lost_connection_begins_it_anew(work: Driver, preview: Previewing) -> None:
    await register(work, "DE", "1")
    cause = await preview.asking.put("preview", **group(DE), id="p")
    async with held_up(work, preview) as going:
        await register(work, "DE", "2")
        await work.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = $1 AND datname = current_database()",
            NAME,
        )
    assert await going
    (answer,) = await preview.asking.answers(cause)
    assert answer["result"]["would_join"] == 2
    assert [each["state"] for each in await told(work, "p")] == ["running", "running", "done"]


async def test_one_that_fails_is_said_to(work: Driver, preview: Previewing) -> None:
    await register(work, "DE", "1")
    await work.pool.execute("ALTER TABLE payers RENAME TO elsewhere")
    answer = await preview.ask(**group(DE), id="p")
    assert [each["code"] for each in answer["errors"]] == ["failed"]
    last = (await told(work, "p"))[-1]
    assert (last["state"], "UndefinedTableError" in last["reason"]) == ("failed", True)


ADDRESSES = ("192.0.2.1", "198.51.100.1", "10.0.0.1", None)
IDS = tuple(f"c{number}" for number in range(8))
_condition = st.builds(lambda seed: wire.condition(Random(seed)), st.integers(0, 2**32))
_definition = st.fixed_dictionaries(
    {
        "group": st.just("g"),
        "name": st.just("A group"),
        "conditions": st.lists(_condition, min_size=1, max_size=3) | st.just([]),
    }
)
_options = st.fixed_dictionaries(
    {
        "exclude": st.sampled_from((True, True, False)),
        "keep_manual": st.booleans(),
        "hold_leaves_over": st.sampled_from(
            (None, {"percent": 0, "count": 0}, {"percent": 50, "count": 0}, {"percent": 0, "count": 1})
        ),
    }
)
_country = st.sampled_from((*wire.COUNTRIES, None))
_client = st.fixed_dictionaries(
    {
        "registered": st.sampled_from((True, True, True, False)),
        "fields": st.fixed_dictionaries(
            {
                "country": _country,
                "ip": st.sampled_from(ADDRESSES),
                "provider_id": st.sampled_from((*wire.PROVIDERS, None)),
                "authorization_method": st.sampled_from(wire.AUTHORIZATION_METHODS),
                "request_parameters": st.sampled_from(({}, {"fromsite": True}, {"fromsite": "10"})),
            }
        ),
        "payer": st.none() | st.tuples(st.sampled_from(wire.PAYER_STATUSES), st.booleans()),
        "verified": st.none() | st.sampled_from(wire.VERIFICATION_METHODS),
        "by_hand": st.sampled_from(("add-members", "remove-members", None, None)),
        "hold": st.sampled_from(("in", "out", None, None, None)),
        "moves_to": st.none() | _country,
    }
)


# The fixture makes a database for each example.
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    clients=st.tuples(*[_client] * len(IDS)),
    before=_definition,
    after=_definition,
    options=_options,
    located=st.booleans(),
)
def test_a_check_then_does_just_that(
    new_database: Callable[[], AbstractContextManager[str]],
    clients: tuple[dict[str, Any], ...],
    before: dict[str, Any],
    after: dict[str, Any],
    options: dict[str, Any],
    located: bool,
) -> None:
    async def compare(database_url: str) -> None:
        async with driver(database_url) as work, previewing(work, database_url) as preview:
            work.geoip.readable = located
            await live(work, dict(zip(IDS, clients, strict=True)), before)
            wanted = {**after, "auto_assignment": options}
            answer = await preview.ask(**wanted, sample=100)
            assert answer["status"] == "done", answer
            assert (await work.command("put-group", **wanted))["status"] == "done"
            started = await work.command("start-check", group="g")
            await work.run_all()
            await agree(work, preview, answer["result"], started["run_id"])

    with new_database() as database_url:
        asyncio.run(compare(database_url))


async def live(work: Driver, clients: dict[str, dict[str, Any]], before: dict[str, Any]) -> None:
    """Providers, a group, clients that match it or not, some by hand, some pinned; then some move."""
    at = work.now.isoformat()
    methods = list(wire.AUTHORIZATION_METHODS)
    offer = {"changed_at": at, "name": "A provider", "active": True, "authorization_methods": methods}
    records = [work.record("provider-changed", {"provider_id": each, **offer}) for each in wire.PROVIDERS]
    for client_id, client in clients.items():
        if client["registered"]:
            said = {"client_id": client_id, "registered_at": at, **client["fields"]}
            records.append(work.record("client-registered", said))
        if client["payer"]:
            status, active = client["payer"]
            said = {"client_id": client_id, "payer_id": "1", "changed_at": at, "status": status}
            records.append(work.record("payer-changed", {**said, "active": active}))
        if client["verified"]:
            said = {"client_id": client_id, "completed_at": at, "method": client["verified"]}
            records.append(work.record("verification-completed", {**said, "result": "passed"}))
    await work.handle(*records)
    put = await work.command("put-group", **before, auto_assignment={"upon_change": False})
    assert put["status"] == "done", put
    await work.command("start-check", group="g")
    await work.run_all()
    for command in ("add-members", "remove-members"):
        if named := [each for each in clients if clients[each]["by_hand"] == command]:
            await work.command(command, group="g", clients=named)
    for hold in ("in", "out"):
        if named := [each for each in clients if clients[each]["hold"] == hold]:
            await work.command("pin", group="g", clients=named, hold=hold)
    at = work.now.isoformat()
    moves = [
        work.record("client-changed", {"client_id": each, "changed_at": at, "country": client["moves_to"]})
        for each, client in clients.items()
        if client["moves_to"]
    ]
    if moves:
        await work.handle(*moves)


async def agree(work: Driver, preview: Previewing, said: dict[str, Any], run_id: str) -> None:
    """What was said is what the run came to."""
    run = (await told(work, run_id))[-1]
    held = run["state"] == "held"
    assert run["state"] == ("held" if said["would_be_held"] else "done")
    assert (run["total"], run["joined"]) == (said["total"], said["would_join"])
    assert (run["left"], run["to_leave"]) == ((0, said["would_leave"]) if held else (said["would_leave"], 0))
    moved = await work.fetch(
        "SELECT client_id, joined FROM membership_history WHERE run_id = $1 ORDER BY client_id", run_id
    )
    assert said["sample"]["join"] == [client_id for client_id, joined in moved if joined]
    leaving = [client_id for client_id, joined in moved if not joined]
    assert said["sample"]["leave"] == (run["held"]["g"]["sample"] if held else leaving)
    card = (await preview.asking.ask("show-group", group="g"))["result"]
    assert card["unknown"] == said["unknown"]
    assert card["members"] == said["would_stay"] + said["would_join"] + run["to_leave"]
