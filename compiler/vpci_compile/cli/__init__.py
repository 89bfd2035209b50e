"""The commands. The only place that prints or exits, and the only user of typer."""

from __future__ import annotations

import sys

from .app import app


def main() -> None:
    """Run the command line: exit 0 fine, 1 the answer is no, 2 wrong usage, 70 a fault of ours."""
    from .outcome import guarded

    sys.exit(guarded(app))


__all__ = ["app", "main"]
