"""Reading commands, as an operator asks them over Kafka of a running worker."""

import time

from tests.support.running import Running
from workers.console import Console

TIMEOUT = 30.0


async def test_reading_commands_see_what_was_answered_before_and_come_at_once(
    running: Running, prefix: str
) -> None:
    async with Console(running.arguments) as console:
        put = {"command": "put-group", "group": prefix, "name": "A group"}
        assert (await console.ask(put, TIMEOUT)).status == "done"
        add = {"command": "add-members", "group": prefix, "clients": [f"{prefix}-1"]}
        assert (await console.ask(add, TIMEOUT)).status == "done"
        began = time.monotonic()
        asked = (
            {"command": "show-group", "group": prefix},
            {"command": "list-members", "group": prefix},
            {"command": "show-client", "client_id": f"{prefix}-1"},
            {"command": "history", "group": prefix},
            {"command": "list-groups"},
            {"command": "list-runs"},
            {"command": "explain", "client_id": f"{prefix}-1", "group": prefix},
            {"command": "group-history", "group": prefix},
            {"command": "show-run", "run_id": "none"},
        )
        answers = await console.ask_all(asked, TIMEOUT)
        took = time.monotonic() - began
    assert [answer and answer.status for answer in answers] == ["done"] * 8 + ["rejected"]
    group, members, client, history, *_, why, definitions, _ = [
        (answer and answer.result) or {} for answer in answers
    ]
    assert group["members"] == 1
    assert members["clients"] == [f"{prefix}-1"]
    assert client["groups"][prefix]["source"] == "manual"
    assert [each["client_id"] for each in history["changes"]] == [f"{prefix}-1"]
    assert why["decided_by"]["code"] == "added_by_hand"
    assert [each["change"] for each in definitions["versions"]] == ["created"]
    assert took < 10
