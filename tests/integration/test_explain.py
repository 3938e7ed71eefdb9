"""explain and group-history on what real events made: now, and as it was."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from db import evidence
from events.explanations import Explanation
from tests.support.asking import Asking
from tests.support.driver import Driver, condition
from tests.support.evidence import assert_history_is_explained
from workers.explaining.upkeep import EvidenceUpkeep

DE = condition("country", value="DE")
COMPANY = condition("payer_status", value="legal_entity", group=2)
CHECKED: dict[str, Any] = {"upon_registration": True, "upon_change": True}
EXCLUDING: dict[str, Any] = {**CHECKED, "exclude": True}


async def put(work: Driver, group: str, *conditions: dict[str, Any], **fields: Any) -> None:
    answer = await work.command(
        "put-group", **{"group": group, "name": group.upper(), "conditions": list(conditions), **fields}
    )
    assert answer["status"] == "done", answer


async def register(work: Driver, client_id: str, **facts: Any) -> None:
    await work.publish("client-registered", client_id=client_id, registered_at=work.at(0), **facts)


async def change(work: Driver, client_id: str, **facts: Any) -> None:
    await work.publish("client-changed", client_id=client_id, changed_at=work.now.isoformat(), **facts)


async def explained(asking: Asking, client_id: str, group: str, **then: Any) -> dict[str, Any]:
    answer = await asking.ask("explain", client_id=client_id, group=group, **then)
    assert answer["status"] == "done", answer
    Explanation.model_validate(answer["result"], strict=False)
    result: dict[str, Any] = answer["result"]
    return result


async def refused(asking: Asking, client_id: str, group: str, **then: Any) -> tuple[str, str]:
    answer = await asking.ask("explain", client_id=client_id, group=group, **then)
    assert answer["status"] == "rejected", answer
    (error,) = answer["errors"]
    return error["code"], error["message"]


def told(result: dict[str, Any]) -> tuple[Any, ...]:
    decided = result["decided_by"]
    facts = [each["fact"] for each in result["conditions"]]
    return result["member"], result["source"], result["verdict"], facts, decided and decided["code"]


async def test_a_member_by_rule_is_explained_by_facts_and_where_they_came_from(
    work: Driver, asking: Asking
) -> None:
    await put(
        work, "de", DE, COMPANY, auto_assignment={**EXCLUDING, "periodic": True, "schedule": "0 3 * * *"}
    )
    await register(work, "1", country="DE")
    result = await explained(asking, "1", "de")
    assert told(result) == (False, None, "no_match", ["DE", []], None)
    assert result["would_differ"] == [{"fact": "payers", "value": ["legal_entity"]}]
    paid_at = work.now
    await work.publish(
        "payer-changed", client_id="1", payer_id="7", changed_at=paid_at.isoformat(), status="legal_entity"
    )
    result = await explained(asking, "1", "de")
    assert told(result) == (True, "rule", "match", ["DE", ["legal_entity"]], None)
    country, payer = result["conditions"]
    assert (country["verdict"], country["cause"]) == ("met", "client-registered/0/0")
    assert country["said_at"].startswith("2026-11-22T10:00:00.0")
    assert payer["cause"] == "payer-changed/0/0"
    assert result["change"]["moment"] == "change"
    assert result["version"] == 1
    assert [(each["moment"], each.get("facts"), each.get("at")) for each in result["checks"]] == [
        ("change", ["country", "payers"], None),
        ("schedule", None, "2026-11-23T03:00:00.000000Z"),
    ]


async def test_what_decided_beyond_the_rules_is_named(work: Driver, asking: Asking) -> None:
    await put(work, "kept", DE, auto_assignment={**EXCLUDING, "keep_manual": True})
    await put(work, "off", DE, auto_assignment=CHECKED)
    await put(work, "bare")
    await put(work, "forced", DE)
    await register(work, "1", country="FR")

    async def code(group: str, client: str = "1") -> tuple[bool, str | None]:
        result = await explained(asking, client, group)
        return result["member"], result["decided_by"] and result["decided_by"]["code"]

    for group in ("kept", "off", "bare"):
        await work.command("add-members", group=group, clients=["1"], actor="ann", reason="asked")
    assert await code("kept") == (True, "added_by_hand_kept")
    assert await code("off") == (True, "exclude_off")
    assert await code("bare") == (True, "added_by_hand")
    await change(work, "1", country="DE")
    assert await code("off") == (True, "added_by_hand")
    await work.command("remove-members", group="off", clients=["1"], actor="ann", reason="asked")
    result = await explained(asking, "1", "off")
    assert result["decided_by"]["code"] == "removed_by_hand"
    assert (result["decided_by"]["actor"], result["decided_by"]["reason"]) == ("ann", "asked")
    assert await code("forced") == (False, "not_checked")
    await work.command("pin", group="forced", clients=["1"], hold="in", reason="promised")
    assert await code("forced") == (True, "pinned_in")
    await work.command("pin", group="kept", clients=["1"], hold="out")
    assert await code("kept") == (False, "pinned_out")
    await work.publish("client-changed", client_id="2", changed_at=work.at(0), country="DE")
    assert await code("off", "2") == (False, "not_registered")
    assert (await explained(asking, "2", "off"))["verdict"] == "unknown"


async def test_a_client_whose_country_by_address_is_unknown(work: Driver, asking: Asking) -> None:
    await put(work, "geo", condition("geoip_country", value="DE"), auto_assignment=EXCLUDING)
    work.geoip.readable = False
    await register(work, "1", ip="192.0.2.1")
    assert told(await explained(asking, "1", "geo")) == (False, None, "unknown", [None], "unknown")
    then = work.now
    work.geoip.readable = True
    await change(work, "1", ip="192.0.2.2")
    result = await explained(asking, "1", "geo")
    assert told(result) == (True, "rule", "match", ["DE"], None)
    assert result["conditions"][0]["geoip_build"] == "2023-11-14T22:13:20.000000Z"
    await change(work, "1", ip="198.51.100.1")
    assert told(await explained(asking, "1", "geo", version=1)) == told(result)
    assert told(await explained(asking, "1", "geo", at=then.isoformat()))[2] == "unknown"
    await assert_history_is_explained(work.pool)


async def test_the_past_is_explained_by_version_and_by_time(work: Driver, asking: Asking) -> None:
    await put(work, "de", DE, auto_assignment=EXCLUDING)
    await register(work, "1", country="DE")
    joined = work.now
    await change(work, "1", country="FR")
    left = work.now
    await put(work, "de", condition("country", value="FR"), auto_assignment=EXCLUDING)
    await change(work, "1", country="US")
    await change(work, "1", country="FR")
    now = await explained(asking, "1", "de")
    assert told(now) == (True, "rule", "match", ["FR"], None)
    first = await explained(asking, "1", "de", version=1)
    assert told(first) == (True, "rule", "match", ["DE"], None)
    assert (first["at"], first["group_version"], first["checks"]) == (first["change"]["changed_at"], 1, [])
    assert first["conditions"][0]["cause"] == "client-registered/0/0"
    second = await explained(asking, "1", "de", version=2)
    assert told(second) == (False, None, "no_match", ["FR"], None)
    assert second["conditions"][0]["cause"] == "client-changed/0/0"

    async def at(moment: Any) -> tuple[Any, ...]:
        return told(await explained(asking, "1", "de", at=moment.isoformat()))

    assert await at(joined) == told(first)
    assert await at(left) == told(second)
    assert await at(left - timedelta(milliseconds=1)) == told(first)
    # The group asks for FR by now, and nobody was checked.
    assert await at(left + timedelta(seconds=1)) == (False, None, "match", ["FR"], "not_checked")
    assert await at(left + timedelta(seconds=2)) == (False, None, "no_match", ["US"], None)
    assert await refused(asking, "1", "de", version=9) == (
        "unknown_version",
        "the client has no change of version 9; history lists them",
    )
    assert (await refused(asking, "1", "de", at=(joined - timedelta(days=1)).isoformat()))[
        0
    ] == "unknown_group"
    await assert_history_is_explained(work.pool)


async def test_several_events_of_one_batch_are_explained_each_by_its_facts(
    work: Driver, asking: Asking
) -> None:
    for country in ("DE", "FR", "US"):
        await put(
            work,
            country.lower(),
            condition("country", value=country),
            auto_assignment={**CHECKED, "exclude": country == "FR"},
        )
    await register(work, "1", country="FR")
    await work.handle(
        work.record("client-changed", {"client_id": "1", "changed_at": work.at(1), "country": "DE"}),
        work.record("client-changed", {"client_id": "1", "changed_at": work.at(2), "country": "NL"}),
        work.record("client-changed", {"client_id": "1", "changed_at": work.at(3), "country": "US"}),
        work.record("client-changed", {"client_id": "1", "changed_at": work.at(4), "country": "XK"}),
    )
    assert await work.changes("1") == [
        "1 joined fr (rule, registration)",
        "2 left fr (rule, change)",
        "3 joined de (rule, change)",
        "4 joined us (rule, change)",
    ]
    seen = {
        version: told(await explained(asking, "1", group, version=version))[2:4]
        for version, group in ((1, "fr"), (2, "fr"), (3, "de"), (4, "us"))
    }
    assert seen == {
        1: ("match", ["FR"]),
        2: ("no_match", ["DE"]),
        3: ("match", ["DE"]),
        4: ("match", ["US"]),
    }
    # NL decided nothing, and came and went at once.
    kept = await work.fetch("SELECT convert_from(facts, 'UTF8')::json ->> 1 FROM past_facts ORDER BY place")
    assert kept == [("FR",), ("DE",), ("US",)]
    assert told(await explained(asking, "1", "us")) == (True, "rule", "no_match", ["XK"], "exclude_off")
    await assert_history_is_explained(work.pool)


async def test_pins_that_ended_explain_what_was(work: Driver, asking: Asking) -> None:
    await put(work, "de", DE, auto_assignment=EXCLUDING)
    await register(work, "1", country="DE")
    await work.command("pin", group="de", clients=["1"], hold="out", actor="ann", reason="fraud")
    pinned = work.now
    await work.command("unpin", group="de", clients=["1"], actor="bob")
    unpinned = work.now
    then = await explained(asking, "1", "de", at=pinned.isoformat())
    assert told(then) == (False, None, "match", ["DE"], "pinned_out")
    assert (then["decided_by"]["actor"], then["decided_by"]["reason"]) == ("ann", "fraud")
    assert told(await explained(asking, "1", "de", at=unpinned.isoformat()))[:3] == (True, "rule", "match")


async def test_a_deleted_clients_facts_are_gone_from_all_of_it(work: Driver, asking: Asking) -> None:
    await put(work, "de", DE, auto_assignment=EXCLUDING)
    await register(work, "1", country="DE", request_parameters={"p": "secret"})
    await change(work, "1", country="FR")
    changed = work.now
    await change(work, "1", country="DE")
    await work.command("pin", group="de", clients=["1"], hold="in")
    await work.command("unpin", group="de", clients=["1"])
    await work.publish("client-deleted", client_id="1", deleted_at=work.now.isoformat())
    for version in (1, 2, 3):
        assert (await refused(asking, "1", "de", version=version))[0] == "erased"
    assert (await refused(asking, "1", "de", at=changed.isoformat()))[0] == "erased"
    last = await explained(asking, "1", "de", version=4)
    assert told(last) == (False, None, "unknown", [None], "client_deleted")
    kept = await work.fetch(
        "SELECT p::text FROM past_facts AS p UNION ALL SELECT p::text FROM past_pins AS p"
    )
    assert [row for (row,) in kept if "DE" in row or "FR" in row or "secret" in row] == []
    await register(work, "1", country="NL")  # not newer than the deletion
    again = (work.now + timedelta(seconds=1)).isoformat()
    await work.publish("client-registered", client_id="1", registered_at=again, country="DE")
    assert told(await explained(asking, "1", "de")) == (True, "rule", "match", ["DE"], None)
    await assert_history_is_explained(work.pool)


async def test_what_is_older_than_is_kept_is_refused_with_the_oldest_moment(
    work: Driver, asking: Asking
) -> None:
    await put(work, "de", DE, auto_assignment=EXCLUDING)
    await register(work, "1", country="DE")
    joined = work.now
    await change(work, "1", country="FR")
    await change(work, "1", country="DE")
    work.now += timedelta(days=10)
    await change(work, "1", country="FR")
    horizon = joined + timedelta(days=5)
    async with work.pool.acquire() as connection:
        assert await evidence.prune(connection, horizon - timedelta(days=1), 1) == 1
    upkeep = EvidenceUpkeep(work.pool, clock=lambda: work.now, kept_for=work.now - horizon)
    await upkeep.tick()
    await EvidenceUpkeep(work.pool, clock=lambda: work.now, kept_for=timedelta(days=99)).tick()
    assert await work.fetch("SELECT count(*) FROM past_facts") == [(1,)]
    for then in ({"version": 1}, {"at": joined.isoformat()}):
        code, message = await refused(asking, "1", "de", **then)
        assert code == "not_kept"
        assert horizon.isoformat() in message
    kept = await explained(asking, "1", "de", at=(horizon + timedelta(days=1)).isoformat())
    assert told(kept) == (True, "rule", "match", ["DE"], None)


async def test_of_many_request_parameters_those_that_rules_read_are_kept_first(
    work: Driver, asking: Asking
) -> None:
    read = condition("request_parameter", value="yes", parameter="zz")
    unread = condition("request_parameter", value="yes", parameter="a9", group=2)
    await put(work, "p", read, DE, auto_assignment=EXCLUDING)
    many = {f"a{number}": "x" * 300 for number in range(20)}
    await register(work, "1", request_parameters={**many, "zz": "yes"})
    joined = work.now
    await change(work, "1", country="DE")
    (size,) = (await work.fetch("SELECT pg_column_size(p) FROM past_facts AS p"))[0]
    assert size < 3_000
    assert told(await explained(asking, "1", "p", at=joined.isoformat()))[2:4] == ("match", ["yes", None])
    await put(work, "q", unread, auto_assignment=EXCLUDING)
    asked = work.now
    await put(work, "q", DE)
    await change(work, "1", country="FR")  # by now no rule reads a9
    then = await explained(asking, "1", "q", at=asked.isoformat())
    assert told(then)[2:4] == ("unknown", [None])
    assert then["conditions"][0]["not_kept"] is True


async def test_a_groups_history_says_who_changed_what(work: Driver, asking: Asking) -> None:
    await put(work, "de", DE, actor="ann")
    await put(work, "de", condition("country", value="FR"), COMPANY, auto_assignment={"exclude": True})
    await work.command("change-group", group="de", name="New", actor="bob", reason="marketing")
    await work.command("delete-group", group="de", actor="cid")
    await put(work, "de")
    answer = await asking.ask("group-history", group="de")
    versions = answer["result"]["versions"]
    assert [(each["version"], each["change"], each["actor"]) for each in versions] == [
        (4, "created", "console"),
        (3, "deleted", "cid"),
        (3, "changed", "bob"),
        (2, "changed", "console"),
        (1, "created", "ann"),
    ]
    assert versions[2]["differences"] == [{"path": "name", "before": "DE", "after": "New"}]
    assert versions[2]["reason"] == "marketing"
    fr = {"condition_group": 1, "type": "country", "comparison": "equals", "value": "FR"}
    assert versions[3]["differences"] == [
        {"path": "auto_assignment.exclude", "before": False, "after": True},
        {"path": "conditions", "before": [DE], "after": [fr, COMPANY]},
    ]
    paged: Sequence[list[Any]] = await asking.pages("group-history", "versions", group="de", limit=2)
    assert [len(each) for each in paged] == [2, 2, 1]
    assert [row for each in paged for row in each] == versions
