"""The commands. The only place that prints or exits, and the only user of typer."""

from __future__ import annotations

import os
import sys

from .app import app


def main() -> None:
    """Run the command line: exit 0 fine, 1 the answer is no, 2 wrong usage, 70 a fault of ours."""
    from .outcome import guarded

    # pydantic would look through every installed distribution for plug-ins; this program has none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sys.exit(guarded(app))


__all__ = ["app", "main"]
