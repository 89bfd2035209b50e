"""The reference of the command line: what `--help` says, of every command."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from vpci_compile.cli import app

_WIDTH = 100
_HEAD = """# The command line

What `vpci-compile --help` and `vpci-compile COMMAND --help` say. Exit status: 0 fine, 1 the answer is no, 2 wrong
usage, 70 a fault of ours.

"""


def pages() -> Iterator[tuple[str, str]]:
    """The one page."""
    command = typer.main.get_command(app)
    yield "reference/cli.md", _HEAD + "\n".join(_help(command, "vpci-compile", None))


def _help(command: typer.core.TyperCommand, name: str, parent: typer.Context | None) -> Iterator[str]:
    """The help of a command, then that of its own commands."""
    own = typer.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH)
    path = own.command_path
    yield f"## {path}\n\n```text\n{command.get_help(own).rstrip()}\n```\n"
    for below, one in getattr(command, "commands", {}).items():
        yield from _help(one, below, own)
