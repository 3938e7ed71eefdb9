"""Events to memberships, on a real database: contracts.md, *Order* to *GeoIP* and *Membership, exactly*."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import structlog

from tests.support.driver import Driver, condition

DE = condition("country", value="DE")
MOMENTS: dict[str, Any] = {"upon_registration": True, "upon_change": True}


async def put(work: Driver, group: str, *conditions: dict[str, Any], **auto_assignment: Any) -> None:
    answer = await work.command(
        "put-group", group=group, name=group, auto_assignment=auto_assignment, conditions=list(conditions)
    )
    assert answer["status"] == "done", answer


async def test_registration_joins_what_matches_and_is_the_moment_only_where_switched_on(work: Driver) -> None:
    await put(work, "de", DE, upon_registration=True)
    await put(work, "fr", condition("country", value="FR"), upon_registration=True)
    await put(work, "de-later", DE, upon_change=True)
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="de")
    assert await work.changes("1") == ["1 joined de (rule, registration)"]
    assert await work.groups("1") == {"de": "rule"}


async def test_a_change_adds_and_takes_out_only_where_exclude_is_on(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS)
    await put(work, "de-only", DE, **MOMENTS, exclude=True)
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="DE")
    await work.publish("client-changed", client_id="1", changed_at=work.at(1), country="FR")
    assert await work.groups("1") == {"de": "rule"}
    assert (await work.changes("1"))[2:] == ["3 left de-only (rule, change)"]


async def test_the_outcome_does_not_depend_on_where_a_batch_ends(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS)
    registered = work.record(
        "client-registered", {"client_id": "1", "registered_at": work.at(0), "country": "DE"}
    )
    changed = work.record("client-changed", {"client_id": "1", "changed_at": work.at(1), "country": "FR"})
    await work.handle(registered, changed)
    assert await work.groups("1") == {"de": "rule"}


async def test_what_happens_and_is_undone_in_one_batch_leaves_no_trace(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS, exclude=True)
    await work.handle(
        work.record("client-registered", {"client_id": "1", "registered_at": work.at(0), "country": "DE"}),
        work.record("client-changed", {"client_id": "1", "changed_at": work.at(1), "country": "FR"}),
    )
    assert await work.changes("1") == []
    assert await work.groups("1") == {}


async def test_what_comes_before_the_registration_is_used_at_it(work: Driver) -> None:
    await put(
        work,
        "companies",
        DE,
        condition("payer_status", value="legal_entity", group=2),
        condition("verification_status", value="passed", group=3),
        upon_registration=True,
    )
    await work.publish(
        "payer-changed", client_id="1", payer_id="7", changed_at=work.at(0), status="legal_entity"
    )
    await work.publish(
        "verification-completed", client_id="1", completed_at=work.at(0), method="email", result="passed"
    )
    await work.publish("client-changed", client_id="1", changed_at=work.at(5), country="DE")
    assert await work.changes("1") == []
    await work.publish("client-registered", client_id="1", registered_at=work.at(1), country="FR")
    assert await work.changes("1") == ["1 joined companies (rule, registration)"]


async def test_stale_and_repeated_records_change_nothing(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS, exclude=True)
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="FR")
    await work.publish("client-changed", client_id="1", changed_at=work.at(10), country="DE")
    await work.publish("client-changed", client_id="1", changed_at=work.at(9), country="FR")
    await work.publish("client-registered", client_id="1", registered_at=work.at(10), country="FR")
    assert await work.changes("1") == ["1 joined de (rule, change)"]
    await work.command("remove-members", group="de", clients=["1"])
    await work.publish("client-changed", client_id="1", changed_at=work.at(10), country="DE")
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="FR")
    assert await work.groups("1") == {}


async def test_a_later_failure_takes_no_verification_back_a_revocation_does(work: Driver) -> None:
    await put(work, "verified", condition("verification_status", value="passed"), **MOMENTS, exclude=True)
    await work.publish("client-registered", client_id="1", registered_at=work.at(0))
    for second, result in ((1, "passed"), (2, "failed"), (4, "revoked"), (3, "passed")):
        await work.publish(
            "verification-completed",
            client_id="1",
            completed_at=work.at(second),
            method="email",
            result=result,
        )
    assert await work.changes("1") == ["1 joined verified (rule, change)", "2 left verified (rule, change)"]


async def test_only_active_payers_count_unless_the_condition_says_otherwise(work: Driver) -> None:
    legal = condition("payer_status", value="legal_entity")
    await put(work, "active", legal, **MOMENTS, exclude=True)
    await put(work, "any", legal | {"include_inactive": True}, **MOMENTS, exclude=True)
    payer: dict[str, Any] = {"client_id": "1", "payer_id": "7", "status": "legal_entity"}
    await work.publish("client-registered", client_id="1", registered_at=work.at(0))
    await work.publish("payer-changed", **payer, changed_at=work.at(1), active=False)
    assert await work.groups("1") == {"any": "rule"}
    await work.publish("payer-changed", **payer, changed_at=work.at(2))
    assert await work.groups("1") == {"any": "rule"}, "active stays as it was"
    await work.publish("payer-changed", **payer, changed_at=work.at(3), active=True)
    assert await work.groups("1") == {"active": "rule", "any": "rule"}
    await work.publish("payer-changed", client_id="1", payer_id="7", changed_at=work.at(5), deleted=True)
    await work.publish("payer-changed", **payer, changed_at=work.at(4))
    assert await work.groups("1") == {}


async def test_by_hand_wins_and_later_checks_go_on(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS, exclude=True)
    await put(work, "kept", DE, **MOMENTS, exclude=True, keep_manual=True)
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="FR")
    for group in ("de", "kept"):
        answer = await work.command("add-members", group=group, clients=["1"], actor="olga", reason="asked")
        assert answer["result"] == {"changed": 1}
    assert await work.groups("1") == {"de": "manual", "kept": "manual"}
    await work.publish("client-changed", client_id="1", changed_at=work.at(1), country="US")
    assert await work.groups("1") == {"kept": "manual"}
    await work.publish("client-changed", client_id="1", changed_at=work.at(2), country="DE")
    assert await work.groups("1") == {"de": "rule", "kept": "manual"}
    await work.command("remove-members", group="de", clients=["1"])
    assert await work.groups("1") == {"kept": "manual"}
    await work.publish(
        "payer-changed", client_id="1", payer_id="7", changed_at=work.at(3), status="individual"
    )
    assert await work.groups("1") == {"kept": "manual"}, "payers are not read by the group"
    await work.publish("client-changed", client_id="1", changed_at=work.at(4), country="FR")
    await work.publish("client-changed", client_id="1", changed_at=work.at(5), country="DE")
    assert await work.groups("1") == {"de": "rule", "kept": "manual"}


async def test_a_member_by_rule_added_by_hand_has_no_new_version(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS)
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="DE")
    answer = await work.command("add-members", group="de", clients=["1", "1"])
    assert answer["result"] == {"changed": 1}
    assert await work.groups("1") == {"de": "manual"}
    assert len(await work.changes("1")) == 1
    assert await work.snapshots() == ["1"]
    assert (await work.command("add-members", group="de", clients=["1"]))["result"] == {"changed": 0}


async def test_a_client_that_is_not_registered_can_be_put_in_by_hand(work: Driver) -> None:
    await put(work, "vip")
    await work.command("add-members", group="vip", clients=["never-seen"])
    assert await work.changes("never-seen") == ["1 joined vip (manual, manual)"]


async def test_deletion_erases_what_is_not_newer(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS)
    await put(work, "vip")
    await work.publish(
        "client-registered", client_id="1", registered_at=work.at(-100), country="DE", ip="192.0.2.7"
    )
    await work.publish(
        "payer-changed", client_id="1", payer_id="7", changed_at=work.at(-90), status="individual"
    )
    await work.publish(
        "verification-completed", client_id="1", completed_at=work.at(-80), method="email", result="passed"
    )
    await work.command("add-members", group="vip", clients=["1"])
    await work.publish("client-deleted", client_id="1", deleted_at=work.now.isoformat())
    assert (await work.changes("1"))[2:] == [
        "3 left de (rule, client_deleted)",
        "4 left vip (manual, client_deleted)",
    ]
    assert await work.fetch("SELECT count(*) FROM payers") == [(0,)]
    assert await work.fetch("SELECT count(*) FROM verifications") == [(0,)]
    facts = await work.fetch(
        "SELECT registered_at, country, said_at, ip, geoip_country, geoip_build FROM clients"
    )
    assert facts == [(None,) * 6]
    await work.publish("client-registered", client_id="1", registered_at=work.at(-50), country="DE")
    assert len(await work.changes("1")) == 4, "not newer than the deletion"
    later = (work.now + timedelta(seconds=1)).isoformat()
    await work.publish("client-registered", client_id="1", registered_at=later, country="DE")
    assert (await work.changes("1"))[4:] == ["5 joined de (rule, registration)"]


async def test_a_registration_newer_than_a_deletion_that_comes_later_stands(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS)
    await put(work, "fr", condition("country", value="FR"), **MOMENTS)
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="DE")
    await work.publish("client-registered", client_id="1", registered_at=work.at(20), country="FR")
    assert await work.groups("1") == {"de": "rule", "fr": "rule"}
    await work.publish("client-deleted", client_id="1", deleted_at=work.at(10))
    assert await work.groups("1") == {"fr": "rule"}
    assert (await work.changes("1"))[2:] == ["3 left de (rule, client_deleted)"]


async def test_a_membership_by_hand_newer_than_a_deletion_stays(work: Driver) -> None:
    await put(work, "vip")
    await work.command("add-members", group="vip", clients=["1"])
    await work.publish("client-deleted", client_id="1", deleted_at=work.at(-60))
    assert await work.groups("1") == {"vip": "manual"}


async def test_geoip_unknown_neither_adds_nor_removes(work: Driver) -> None:
    german = condition("geoip_country", value="DE")
    await put(work, "geo-de", german, **MOMENTS, exclude=True)
    await put(work, "not-de", condition("geoip_country", "not_equals", "DE"), **MOMENTS, exclude=True)
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), ip="192.0.2.7")
    await work.publish("client-registered", client_id="2", registered_at=work.at(0), ip="10.0.0.1")
    await work.publish("client-registered", client_id="3", registered_at=work.at(0))
    assert [await work.groups(str(n)) for n in (1, 2, 3)] == [{"geo-de": "rule"}, {"not-de": "rule"}, {}]
    work.geoip.readable = False
    await work.publish("client-changed", client_id="1", changed_at=work.at(1), ip="203.0.113.9")
    assert await work.groups("1") == {"geo-de": "rule"}
    work.geoip.readable = True
    await work.publish("client-changed", client_id="1", changed_at=work.at(2), ip="203.0.113.9")
    assert await work.groups("1") == {"not-de": "rule"}


async def test_request_parameters_are_taken_as_a_whole(work: Driver) -> None:
    from_site = condition("request_parameter", value="true", parameter="fromsite")
    await put(work, "site", from_site, **MOMENTS, exclude=True)
    await work.publish(
        "client-registered", client_id="1", registered_at=work.at(0), request_parameters={"fromsite": True}
    )
    assert await work.groups("1") == {"site": "rule"}
    await work.publish(
        "client-registered", client_id="1", registered_at=work.at(1), request_parameters={"other": "x"}
    )
    assert await work.groups("1") == {}


async def test_poison_is_a_dead_letter_and_the_rest_of_the_batch_goes_on(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS)
    good = {"client_id": "1", "registered_at": work.at(0), "country": "DE"}
    await work.handle(
        work.record("client-registered", b"no json", headers=[("x", b"1"), ("y", None)]),
        work.record("client-registered", good),
        work.record("client-registered", good | {"client_id": "2", "country": "ZZ"}),
    )
    assert await work.groups("1") == {"de": "rule"}
    dead = await work.fetch(
        "SELECT topic, value, header_names[1:2], header_values[1:2] FROM outgoing_records"
        " WHERE topic LIKE '%.dlt' ORDER BY seq"
    )
    assert [row[0] for row in dead] == ["client-registered.dlt"] * 2
    assert dead[0][1:] == (b"no json", ["x", "y"], [b"1", None])


async def test_a_record_that_the_database_refuses_is_found_and_buried(work: Driver) -> None:
    """A bug in what checks events must cost one record, not a partition."""
    await put(work, "de", DE, **MOMENTS)
    await work.pool.execute("ALTER TABLE clients ADD CHECK (country <> 'AQ')")
    records = [
        work.record(
            "client-registered",
            {"client_id": str(n), "registered_at": work.at(0), "country": "AQ" if n == 5 else "DE"},
        )
        for n in range(9)
    ]
    assert not (await work.handle(*records)).moved
    assert await work.fetch("SELECT count(*) FROM memberships") == [(8,)]
    assert (await work.sent("client-registered.dlt"))[0]["client_id"] == "5"
    assert await work.fetch("SELECT next_offset FROM input_positions WHERE topic = 'client-registered'") == [
        (9,)
    ]


async def test_the_log_says_where_a_record_failed_and_nothing_of_what_it_says(work: Driver) -> None:
    await work.pool.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'cannot be: %', NEW.country; END$$"
    )
    await work.pool.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    with structlog.testing.capture_logs() as logged:
        await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="AQ")
    (line,) = logged
    assert (line["cause"], line["error"]) == ("client-registered/0/0", "RaiseError")
    assert "handlers.py" in line["stack"]
    assert "AQ" not in str(logged)
    assert (await work.sent("client-registered.dlt"))[0]["country"] == "AQ"


async def test_a_batch_whose_position_has_moved_is_dropped(work: Driver) -> None:
    await put(work, "de", DE, **MOMENTS)
    record = work.record(
        "client-registered", {"client_id": "1", "registered_at": work.at(0), "country": "DE"}
    )
    assert not (await work.handle(record)).moved
    outcome = await work.handle(record)
    assert outcome.moved == {("client-registered", 0)}
    assert len(await work.changes("1")) == 1


async def test_a_schema_that_is_not_ours_ends_the_process_and_buries_nobody(work: Driver) -> None:
    await work.publish("client-registered", client_id="1", registered_at=work.at(0))
    await work.pool.execute("ALTER TABLE payers RENAME TO payments")
    record = work.record(
        "client-registered", {"client_id": "1", "registered_at": work.at(1), "country": "DE"}
    )
    with pytest.raises(Exception, match="payers"):
        await work.handle(record)
    assert await work.sent("client-registered.dlt") == []


async def test_commands_are_answered_and_repeated_ids_do_nothing(work: Driver) -> None:
    group: dict[str, Any] = {"group": "vip", "name": "VIP", "id": "c-1"}
    first = await work.command("put-group", **group)
    assert first["result"] == {"version": 1, "changed": True}
    assert first["command_id"] == "c-1"
    again = await work.command("put-group", **group | {"name": "another"})
    assert again == first
    unchanged = await work.command("put-group", group="vip", name="VIP")
    assert unchanged["result"] == {"version": 1, "changed": False}
    assert [value["version"] for value in await work.sent("client-groups")] == [1]
    conflict = await work.command("put-group", group="vip", name="V", if_version=7)
    assert (conflict["status"], conflict["errors"][0]["code"]) == ("rejected", "version_conflict")


async def test_a_member_of_a_group_that_is_not_there_is_refused_with_the_nearest_name(work: Driver) -> None:
    await put(work, "vip-clients")
    answer = await work.command("add-members", group="vip-client", clients=["1"])
    assert answer["status"] == "rejected"
    assert "vip-clients" in answer["errors"][0]["message"]


async def test_usage_is_kept_and_published_newest_first(work: Driver) -> None:
    usage: dict[str, Any] = {"group": "vip", "kind": "tariff", "ref_id": "9"}
    await work.publish("group-usage-changed", **usage, changed_at=work.at(5), title="Gold")
    await put(work, "vip")
    assert (await work.sent("client-groups"))[-1]["used_by"] == [
        {"kind": "tariff", "ref_id": "9", "title": "Gold"}
    ]
    await work.publish("group-usage-changed", **usage, changed_at=work.at(6), used=False)
    await work.publish("group-usage-changed", **usage, changed_at=work.at(4), title="Old")
    assert [value["used_by"] for value in await work.sent("client-groups")][1:] == [[]]


async def test_a_malformed_command_is_answered_with_every_error_at_once(work: Driver) -> None:
    answer = await work.command(
        "put-group",
        group="vip",
        conditions=[
            condition("country", value="ZZ"),
            condition("request_parameter", "matches", "(", parameter="p"),
            condition("payer_status", "contains", "legal_entity"),
        ],
    )
    assert answer["status"] == "rejected"
    assert sorted(error["path"] for error in answer["errors"]) == [
        "conditions[0].value",
        "conditions[1].value",
        "conditions[2].comparison",
        "name",
    ]
    assert await work.sent("group-commands.dlt") == []


async def test_two_transactions_that_meet_the_same_new_clients_lose_nothing(work: Driver) -> None:
    await put(
        work,
        "companies",
        DE,
        condition("payer_status", value="legal_entity", group=2),
        **MOMENTS,
        exclude=True,
    )
    ids = [str(n) for n in range(300)]
    registered = [
        work.record("client-registered", {"client_id": each, "registered_at": work.at(0), "country": "DE"})
        for each in ids
    ]
    payers = [
        work.record(
            "payer-changed",
            {"client_id": each, "payer_id": "7", "changed_at": work.at(0), "status": "legal_entity"},
        )
        for each in reversed(ids)
    ]
    await asyncio.gather(work.handle(*registered), work.handle(*payers))
    assert await work.fetch("SELECT count(*), min(version), max(version) FROM clients") == [(300, 1, 1)]
    assert await work.fetch("SELECT count(*) FROM memberships") == [(300,)]


async def test_a_dead_letter_too_large_for_its_topic_is_kept_and_a_small_one_says_where(work: Driver) -> None:
    large = b"x" * 1_000_000
    await work.handle(work.record("client-registered", large, headers=[("h", b"1")]))
    ((kept_id, value),) = await work.fetch("SELECT kept_id, value FROM kept_records")
    assert value == large
    ((names, values),) = await work.fetch("SELECT header_names, header_values FROM outgoing_records")
    headers = dict(zip(names, values, strict=True))
    assert headers["client-groups.kept"] == str(kept_id).encode()
    assert headers["client-groups.error.code"] == b"not_json"
    assert await work.sent("client-registered.dlt") == [{"kept": str(kept_id)}]
