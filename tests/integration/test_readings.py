"""Reading commands on what real events made: contracts.md, *What `result` holds*."""

from typing import Any

import pytest

from events.outputs import ClientGroup
from events.results import RESULTS
from tests.support.asking import Asking
from tests.support.driver import GEOIP_BUILD, Driver, condition
from workers.aside import group_readings, history_readings

DE = condition("country", value="DE")
MOMENTS: dict[str, Any] = {"upon_registration": True, "upon_change": True}


async def put(work: Driver, group: str, *conditions: dict[str, Any], **fields: Any) -> None:
    answer = await work.command(
        "put-group", **{"group": group, "name": group.upper(), "conditions": list(conditions), **fields}
    )
    assert answer["status"] == "done", answer


async def register(work: Driver, client_id: str, **facts: Any) -> None:
    await work.publish("client-registered", client_id=client_id, registered_at=work.at(0), **facts)


async def done(asking: Asking, command: str, **fields: Any) -> Any:
    answer = await asking.ask(command, **fields)
    assert answer["status"] == "done", answer
    assert answer["errors"] == []
    RESULTS[command].model_validate(answer["result"], strict=False)
    return answer["result"]


async def refused(asking: Asking, command: str, **fields: Any) -> tuple[str, str]:
    answer = await asking.ask(command, **fields)
    assert (answer["status"], answer.get("result")) == ("rejected", None)
    (error,) = answer["errors"]
    assert error["message"]
    return error["code"], error["path"]


async def test_groups_are_listed_with_what_they_hold_and_what_refers_to_them(
    work: Driver, asking: Asking
) -> None:
    provider = {"provider_id": "1", "changed_at": work.at(0), "active": True}
    await work.publish("provider-changed", **provider, authorization_methods=["google", "phone"])
    ways = condition("authorization_method", "one_of", ["google", "phone"])
    await put(work, "de", DE, ways, auto_assignment=MOMENTS, actor="ann")
    await put(work, "empty")
    await put(work, "gone")
    await register(work, "1", country="DE")
    await work.command("pin", group="de", clients=["2"], hold="in")
    usage = {"group": "de", "changed_at": work.at(0), "kind": "tariff"}
    await work.publish("group-usage-changed", **usage, ref_id="7")
    await work.publish("group-usage-changed", **usage, ref_id="8", used=False)
    await work.command("delete-group", group="gone")
    await work.publish(
        "provider-changed", **{**provider, "changed_at": work.at(5)}, authorization_methods=["google"]
    )
    first, second = (await done(asking, "list-groups"))["groups"]
    updated_at = first.pop("updated_at")
    assert updated_at.startswith("2026-11-22T10:")
    assert first == {
        "group": "de",
        "name": "DE",
        "version": 1,
        "updated_by": "ann",
        "upon_registration": True,
        "upon_change": True,
        "periodic": False,
        "conditions": 2,
        "members": 2,
        "used_by": 1,
        "warnings": 1,
    }
    assert (second["group"], second["members"], second["warnings"]) == ("empty", 0, 0)
    assert "after" not in await done(asking, "list-groups")


async def test_a_groups_card_is_that_on_client_groups_with_counts_and_warnings(
    work: Driver, asking: Asking
) -> None:
    provider = {"provider_id": "1", "authorization_methods": ["google"]}
    await work.publish("provider-changed", **provider, changed_at=work.at(0), active=True)
    conditions = [condition("provider", value="1"), condition("authorization_method", value="google")]
    await put(work, "de", DE, *conditions, currency_rates={"EUR/USD": "1.08"}, auto_assignment=MOMENTS)
    await work.command("add-members", group="de", clients=["1", "2"])
    await work.publish(
        "group-usage-changed", group="de", changed_at=work.at(0), kind="tariff", ref_id="7", title="Gold"
    )
    card = await done(asking, "show-group", group="de")
    assert (card.pop("members"), card.pop("unknown")) == (2, 0)
    published = (await work.sent("client-groups"))[-1]
    assert card == published
    ClientGroup.model_validate(card, strict=False)

    await work.publish("provider-changed", **provider, changed_at=work.at(5), active=False)
    answer = await asking.ask("show-group", group="de")
    assert [(warning["code"], warning["path"]) for warning in answer["warnings"]] == [
        ("inactive_provider", "conditions[1].value"),
        ("method_not_offered", "conditions[2].value"),
    ]
    (listed,) = (await done(asking, "list-groups"))["groups"]
    assert listed["warnings"] == 2


async def test_unknown_counts_those_whose_verdict_hangs_on_an_address_not_looked_up(
    work: Driver, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    geoip = condition("geoip_country", value="DE")
    not_us = condition("country", "not_equals", "US", group=2)
    await put(work, "geo", geoip, DE, not_us, auto_assignment={"upon_change": True})
    await put(work, "plain", DE)
    await register(work, "no-address")
    await register(work, "matches-anyway", country="DE")
    await register(work, "looked-up", ip="192.0.2.1")
    work.geoip.readable = False
    await register(work, "not-looked-up", ip="192.0.2.2")
    await work.publish("client-changed", client_id="not-registered", changed_at=work.at(0), country="FR")
    assert (await done(asking, "show-group", group="geo"))["unknown"] == 2
    assert (await done(asking, "show-group", group="plain"))["unknown"] == 0
    monkeypatch.setattr(group_readings, "CHECKED_MAX", 2)
    answer = await asking.ask("show-group", group="geo")
    assert answer["result"]["unknown"] == 1
    assert [warning["code"] for warning in answer["warnings"]] == ["not_all_counted"]


async def test_members_are_listed_with_source_and_since(work: Driver, asking: Asking) -> None:
    await put(work, "de", DE, auto_assignment=MOMENTS)
    await register(work, "2", country="DE")
    await work.command("add-members", group="de", clients=["10"])
    await work.command("pin", group="de", clients=["3"], hold="in")
    result = await done(asking, "list-members", group="de")
    assert result["clients"] == ["10", "2", "3"]
    sources = {client_id: each["source"] for client_id, each in result["memberships"].items()}
    assert sources == {"10": "manual", "2": "rule", "3": "pin"}
    since = await work.fetch("SELECT since FROM memberships WHERE client_id = '2'")
    assert result["memberships"]["2"]["since"] == since[0][0].strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def test_a_clients_card_says_what_is_known_and_where_it_is(work: Driver, asking: Asking) -> None:
    await put(work, "de", DE, auto_assignment=MOMENTS)
    await put(work, "trial")
    await register(
        work,
        "1",
        country="de",
        ip="192.0.2.7",
        provider_id="1",
        authorization_method="google",
        request_parameters={"fromsite": True},
    )
    payer = {"client_id": "1", "changed_at": work.at(1)}
    await work.publish("payer-changed", **payer, payer_id="7", status="legal_entity")
    await work.publish("payer-changed", **payer, payer_id="8", status="individual", active=False)
    await work.publish("payer-changed", **payer, payer_id="9", deleted=True)
    for method, said in {
        "email": ("passed", "failed"),
        "phone": ("passed", "revoked"),
        "manual": ("revoked", "failed"),
    }.items():
        for second, result in enumerate(said, 2):
            await work.publish(
                "verification-completed",
                client_id="1",
                method=method,
                result=result,
                completed_at=work.at(second),
            )
    await work.command("pin", group="trial", clients=["1"], hold="out", actor="ann", reason="had one")
    card = await done(asking, "show-client", client_id="1")
    facts = card.pop("facts")
    assert facts["geoip_build"] == "2023-11-14T22:13:20.000000Z"
    assert GEOIP_BUILD == 1_700_000_000
    at = [f"2026-11-22T10:00:0{second}.000000Z" for second in range(4)]
    assert facts == {
        "registered_at": at[0],
        "country": "DE",
        "ip": "192.0.2.7",
        "geoip_country": "DE",
        "geoip_build": "2023-11-14T22:13:20.000000Z",
        "provider_id": "1",
        "authorization_method": "google",
        "request_parameters": {"fromsite": "true"},
        "payers": [
            {"payer_id": "7", "status": "legal_entity", "active": True, "changed_at": at[1]},
            {"payer_id": "8", "status": "individual", "active": False, "changed_at": at[1]},
        ],
        "verifications": [
            {"method": "email", "result": "passed", "completed_at": at[2]},
            {"method": "manual", "result": "failed", "completed_at": at[3]},
            {"method": "phone", "result": "revoked", "completed_at": at[3]},
        ],
    }
    pin = card["pins"]["trial"]
    assert pin.pop("since").startswith("2026-11-22T10:00:")
    assert pin == {"hold": "out", "expires_at": None, "actor": "ann", "reason": "had one"}
    assert (card["registered"], card["version"]) == (True, 1)
    assert {group: each["source"] for group, each in card["groups"].items()} == {"de": "rule"}


async def test_a_client_that_was_deleted_is_shown_empty_one_never_seen_is_refused(
    work: Driver, asking: Asking
) -> None:
    await put(work, "de", DE, auto_assignment=MOMENTS)
    await register(work, "1", country="DE", ip="192.0.2.7")
    await work.publish("client-deleted", client_id="1", deleted_at=work.at(9))
    card = await done(asking, "show-client", client_id="1")
    assert (card["registered"], card["version"], card["groups"], card["pins"]) == (False, 2, {}, {})
    assert {name: value for name, value in card["facts"].items() if value} == {}
    assert await refused(asking, "show-client", client_id="2") == ("unknown_client", "client_id")
    assert await refused(asking, "history", client_id="2") == ("unknown_client", "client_id")


async def test_history_by_client_by_group_and_by_both_newest_first(work: Driver, asking: Asking) -> None:
    await put(work, "de", DE, auto_assignment={**MOMENTS, "exclude": True})
    await put(work, "other")
    await register(work, "1", country="DE")
    await register(work, "2", country="DE")
    await work.command("add-members", group="other", clients=["1"], actor="ann", reason="a promise")
    await work.publish("client-changed", client_id="1", changed_at=work.at(5), country="FR")
    sent = await done(asking, "history", client_id="1")
    assert [(each["version"], each["group"], each["change"]) for each in sent["changes"]] == [
        (3, "de", "left"),
        (2, "other", "joined"),
        (1, "de", "joined"),
    ]
    assert sent["changes"][1] == sent["changes"][1] | {
        "client_id": "1",
        "source": "manual",
        "moment": "manual",
        "actor": "ann",
        "reason": "a promise",
        "cause": "group-commands/0/2",
    }
    of_group = (await done(asking, "history", group="de"))["changes"]
    assert [(each["client_id"], each["version"]) for each in of_group] == [("1", 3), ("2", 1), ("1", 1)]
    of_both = (await done(asking, "history", group="de", client_id="1"))["changes"]
    assert [each["version"] for each in of_both] == [3, 1]
    await work.command("delete-group", group="other")
    assert len((await done(asking, "history", group="other"))["changes"]) == 2
    assert (await refused(asking, "history", group="othr"))[0] == "unknown_group"


async def test_a_groups_history_is_found_in_pieces(
    work: Driver, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_readings, "LOOKED_AT", 3)
    await put(work, "a")
    await put(work, "b")
    for number in range(10):
        group = "a" if number in {0, 5, 6} else "b"
        await work.command("add-members", group=group, clients=[str(number)])
    cause = await asking.put("history", group="a", limit=2)
    assert await asking.run() > 2
    ((first,),) = [[answer["result"] for answer in await asking.answers(cause)]]
    assert [each["client_id"] for each in first["changes"]] == ["6", "5"]
    last = await done(asking, "history", group="a", limit=2, after=first["after"])
    assert [each["client_id"] for each in last["changes"]] == ["0"]
    assert "after" not in last


async def test_pages_lose_and_repeat_nothing_while_rows_are_added(work: Driver, asking: Asking) -> None:
    await put(work, "g")
    for group in ("a", "m", "z"):
        await put(work, group)
    first = await done(asking, "list-groups", limit=2)
    await put(work, "b")
    await put(work, "q")
    rest = await done(asking, "list-groups", limit=10, after=first["after"])
    listed = [each["group"] for each in first["groups"] + rest["groups"]]
    assert listed == ["a", "g", "m", "q", "z"]

    await work.command("add-members", group="g", clients=["1", "2", "3", "4", "5"])
    for list_of, rows, fields in (
        ("list-members", "clients", {"group": "g"}),
        ("history", "changes", {"group": "g"}),
    ):
        pages = await asking.pages(list_of, rows, **fields, limit=2)
        assert [len(page) for page in pages] == [2, 2, 1]

    first = await done(asking, "history", group="g", limit=2)
    await work.command("add-members", group="g", clients=["6"])
    rest = await done(asking, "history", group="g", limit=9, after=first["after"])
    assert [each["client_id"] for each in first["changes"] + rest["changes"]] == ["5", "4", "3", "2", "1"]
    await work.command("remove-members", group="g", clients=["3"])
    pages = await asking.pages("history", "changes", client_id="3", limit=1)
    assert [[each["version"] for each in page] for page in pages] == [[2], [1]]


async def test_runs_are_listed_newest_first_and_shown(work: Driver, asking: Asking) -> None:
    await put(work, "a")
    await put(work, "b")
    ids = [str(number) for number in range(1_001)]
    started = [
        (await work.command("add-members", group=group, clients=ids))["run_id"] for group in ("a", "b", "a")
    ]
    listed = (await done(asking, "list-runs"))["runs"]
    assert [run["run_id"] for run in listed] == started[::-1]
    pages = await asking.pages("list-runs", "runs", limit=1)
    assert [run["run_id"] for (run,) in pages] == started[::-1]
    assert [run["run_id"] for run in (await done(asking, "list-runs", group="a"))["runs"]] == [
        started[2],
        started[0],
    ]
    shown = await done(asking, "show-run", run_id=started[1])
    assert shown == (await work.sent("assignment-runs"))[1]
    assert await refused(asking, "show-run", run_id="x") == ("unknown_run", "run_id")
    assert (await refused(asking, "list-runs", group="c"))[0] == "unknown_group"


async def test_an_after_that_no_answer_gave_is_refused(work: Driver, asking: Asking) -> None:
    await put(work, "g")
    lists = {"list-groups": {}, "list-members": {"group": "g"}, "history": {"group": "g"}, "list-runs": {}}
    for command, fields in lists.items():
        for after in ("x", "ä", "AA", "Zm9v=", "////", "_w", "x" * 900):
            assert await refused(asking, command, **fields, after=after) == ("after", "after")


async def test_groups_that_are_not_there_are_refused_with_the_nearest(work: Driver, asking: Asking) -> None:
    await put(work, "eu-companies")
    await put(work, "gone")
    await work.command("delete-group", group="gone")
    for command in ("show-group", "list-members"):
        assert await refused(asking, command, group="gone") == ("unknown_group", "group")
    answer = await asking.ask("show-group", group="eu-compnies")
    assert "did you mean eu-companies?" in answer["errors"][0]["message"]


async def test_a_page_has_fewer_rows_where_they_would_not_go_into_one_record(
    work: Driver, asking: Asking
) -> None:
    for number in range(10):
        await put(work, f"{number:064}")
    # The longest names and actors, in letters of two bytes: a thousand are more than a record takes.
    await work.pool.execute(
        "INSERT INTO groups (group_id, name, version, updated_at, updated_by, rules_version)"
        " SELECT lpad(i::text, 6, 'g') || repeat('ж', 58), repeat('Ж', 255), 1, now(), repeat('я', 200), 1"
        " FROM generate_series(1, 1000) AS i"
    )
    pages = await asking.pages("list-groups", "groups", limit=1000)
    listed = [each["group"] for page in pages for each in page]
    assert len(listed) == len(set(listed)) == 1010
    assert len(pages) == 2
    assert await work.fetch("SELECT * FROM kept_records") == []
