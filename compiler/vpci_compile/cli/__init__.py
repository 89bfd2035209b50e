"""The commands. The only place that prints or exits, and the only user of typer."""

from __future__ import annotations

import gc
import os

# A command makes a lot and drops it all at its end: look for garbage rarely. Set before the libraries are imported.
gc.set_threshold(100_000)
# pydantic would look through every installed distribution for plug-ins; this program has none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from .app import app  # noqa: E402


def main() -> int:
    """Run the command line; the exit status: 0 fine, 1 the answer is no, 2 wrong usage, 70 a fault of ours."""
    from .outcome import guarded

    return guarded(app)


def entry() -> None:
    """What the installed program calls: `main`, and out. Taking all modules down would take as long as a check."""
    os._exit(main())


__all__ = ["app", "entry", "main"]
