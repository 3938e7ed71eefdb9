"""What came of an order: many answers as one, its exit code, and what is said of it."""

import io
import json
from typing import Any

import pytest
import typer
from rich.console import Console

from events.examples import EXAMPLES
from events.outputs import AssignmentRun, GroupCommandResult, Problem
from workers.cli.changes import Carried, carried_of, show
from workers.cli.session import joined, read, refuse
from workers.exits import NO_ANSWER, REFUSED, CommandError

RUN = AssignmentRun.model_validate({**EXAMPLES["assignment-runs"], "run_id": "7"})
PINNED = Problem(code="pinned", path="clients[1]", message="the client is pinned")


def answer(status: str = "done", **fields: Any) -> GroupCommandResult:
    given = {"command_id": "1", "command": "add-members", "group": "vip", "status": status, "cause": "c/0/1"}
    return GroupCommandResult.model_validate({**given, **fields})


def command(*clients: str) -> dict[str, Any]:
    return {"command": "add-members", "group": "vip", "clients": [*clients]}


def of(*answers: GroupCommandResult | None, runs: list[AssignmentRun] | None = None) -> Carried:
    return carried_of([command("a", "b", "c")] * len(answers), answers, runs or [])


def said(carried: Carried, *, as_json: bool = False) -> tuple[str, str, int]:
    """Standard output of people, standard error, exit code."""
    out, err = (Console(file=io.StringIO(), width=140) for _ in range(2))
    code = 0
    try:
        show(carried, as_json=as_json, out=out, err=err, timeout=5)
    except typer.Exit as ended:
        code = ended.exit_code
    texts = [console.file.getvalue() for console in (out, err) if isinstance(console.file, io.StringIO)]
    return texts[0], texts[1], code


def test_counts_are_added_up_and_places_counted_on() -> None:
    first = answer(result={"changed": 2}, warnings=[PINNED])
    second = answer(result={"changed": 3}, warnings=[PINNED])
    carried = of(first, second)
    assert (carried.status, carried.result) == ("done", {"changed": 5})
    assert [warning.path for warning in carried.warnings] == ["clients[1]", "clients[4]"]
    assert said(carried) == (
        "vip: 5 memberships changed.\n",
        "Warning: clients[1]: the client is pinned\nWarning: clients[4]: the client is pinned\n",
        0,
    )


def test_one_that_was_refused_refuses_the_whole() -> None:
    carried = of(answer(result={"changed": 3}), answer("rejected", errors=[PINNED]))
    assert carried.status == "rejected"
    assert said(carried) == (
        "vip: 3 memberships changed.\n",
        "Error: clients[4]: the client is pinned\n",
        REFUSED,
    )


def test_what_is_not_known_matters_more() -> None:
    carried = of(answer("rejected", errors=[PINNED]), None)
    assert (carried.unanswered, carried.exit_code) == (1, NO_ANSWER)
    assert "no answer within 5 s to 1 of 2 commands: is a worker running?" in said(carried)[1]
    assert of(None).status is None


@pytest.mark.parametrize(
    ("state", "code"), [("done", 0), ("failed", REFUSED), ("cancelled", REFUSED), ("held", REFUSED)]
)
def test_a_run_that_does_not_end_well_is_no_success(state: str, code: int) -> None:
    run = RUN.model_copy(update={"state": state})
    carried = of(answer("accepted", run_id="7"), runs=[run])
    assert carried.exit_code == code
    says = f"vip: run 7 is {state}: 12 joined, 3 left, 20,000 of 20,000 clients looked at.\n"
    assert said(carried) == (says, "", code)


def test_a_run_that_nobody_waits_for_is_named() -> None:
    carried = of(answer("accepted", run_id="7"))
    assert said(carried) == ("vip: goes on as run 7; `client-groups run 7`.\n", "", 0)


def test_many_warnings_are_cut_off() -> None:
    many = [PINNED.model_copy(update={"path": f"clients[{place}]"}) for place in range(25)]
    lines = said(of(answer(result={"changed": 0}, warnings=many)))[1].splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 5 more warnings; --json has all."


def test_scripts_get_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    carried = of(answer("accepted", run_id="7"), runs=[RUN])
    out, err, code = said(carried, as_json=True)
    assert (out, err, code) == ("", "", 0)
    printed = json.loads(capsys.readouterr().out)
    assert printed["runs"][0]["run_id"] == "7"
    assert printed["answers"][0]["run_id"] == "7"
    assert printed["status"] == "accepted"


def test_pages_become_one_answer() -> None:
    first = answer(result={"clients": ["1"], "memberships": {"1": 1}, "after": "x"})
    last = answer(result={"clients": ["2"], "memberships": {"2": 2}})
    assert joined([first, last]).result == {"clients": ["1", "2"], "memberships": {"1": 1, "2": 2}}
    assert joined([last, first]).result == {
        "clients": ["2", "1"],
        "memberships": {"2": 2, "1": 1},
        "after": "x",
    }
    assert joined([first, answer("rejected")]).status == "rejected"


def test_what_was_refused_is_said_once_and_in_sentences() -> None:
    with pytest.raises(CommandError) as refused:
        refuse([answer("rejected", errors=[PINNED, PINNED, PINNED.model_copy(update={"path": ""})])])
    assert refused.value.sentence == "Error: clients[1]: the client is pinned\nError: the client is pinned"
    assert refused.value.code == REFUSED
    with pytest.raises(CommandError, match="not as this version knows it") as unknown:
        read(answer(command="show-run", result={"state": "new"}), AssignmentRun)
    assert unknown.value.code == NO_ANSWER
