"""The list of commands: found by name, told without loading them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from lobflow.cli import app
from lobflow.commands import COMMANDS, found

HEAVY = ("numba", "numpy", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "aiohttp")


@pytest.mark.parametrize("name", COMMANDS)
def test_summary_is_the_commands_own(name: str) -> None:
    own = found(name, COMMANDS[name]).help.split("\n\n")[0]
    assert COMMANDS[name].summary == " ".join(own.split())


def test_list_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)


def test_unknown_command_is_one_clear_line() -> None:
    result = CliRunner().invoke(app, ["trian"])
    assert result.exit_code == 2
    assert "trian" in result.output


def test_command_says_how_it_is_called() -> None:
    result = CliRunner().invoke(app, ["verify", "--help"])
    assert "lobflow verify" in " ".join(result.output.split()) or "verify [OPTIONS]" in result.output


def test_list_loads_no_library_of_the_commands() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from lobflow.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
