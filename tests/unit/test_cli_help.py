"""`client-groups --help`: orderly, and at once."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workers.cli.main import app
from workers.exits import OPERATOR_CODES

PANELS = {
    "Look at groups and clients": "groups group client members history explain group-history watch",
    "Change groups and members": "apply put delete add remove pin unpin",
    "Check all clients": "preview check runs run approve cancel undo",
    "Run the worker": "worker topics migrate settings position",
}
HEAVY = ("aiokafka", "asyncpg", "faust", "pydantic")


def help_of(*command: str) -> str:
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    return result.output


def test_commands_stand_in_panels() -> None:
    said = help_of()
    places = [said.index(f" {panel} ") for panel in PANELS]
    assert places == sorted(places)
    for (panel, commands), end in zip(PANELS.items(), [*places[1:], len(said)], strict=True):
        lines = said[said.index(f" {panel} ") : end].splitlines()
        names = [line[2:].split(" ")[0] for line in lines if line.startswith("│ ") and line[2] != " "]
        assert names == commands.split()


@pytest.mark.parametrize("command", [name for panel in (*PANELS.values(),)[:3] for name in panel.split()])
def test_commands_of_operators_say_how_they_end(command: str) -> None:
    assert OPERATOR_CODES in help_of(command)


def test_nothing_heavy_is_loaded_for_it() -> None:
    program = f"import sys, workers.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "[]\n"
