"""What a person gets in the end: diagnostics on stderr, and an exit status that says what they mean."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum

from .. import resources
from ..diagnostics import Diagnostic, Failed, Severity, printable, render_json, render_sarif, render_text

FINE, NO, USAGE, OUR_FAULT = 0, 1, 2, 70
INTERRUPTED = 130


class Format(StrEnum):
    """How diagnostics are written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class State:
    """What the options of the command set."""

    format = Format.TEXT


def colours(stream: object = None) -> bool:
    """Whether to colour: a terminal, and nobody set NO_COLOR (no-color.org)."""
    stream = stream or sys.stdout
    return (
        bool(getattr(stream, "isatty", bool)()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def say(text: str) -> None:
    """Print a result."""
    if sys.stdout is None:
        raise OSError("it is closed")
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def tell(text: str) -> None:
    """Print a line about a file, whose name a terminal must not obey."""
    say(printable(text))


def complain(diagnostics: Iterable[Diagnostic]) -> None:
    """Print diagnostics: text to stderr; JSON and SARIF to stdout, where programs read."""
    rows = list(diagnostics)
    if State.format is Format.TEXT:
        if rows:
            note(f"{render_text(rows, colour=colours(sys.stderr))}\n{_count(rows)}\n")
    else:
        say((render_json if State.format is Format.JSON else render_sarif)(rows))


def note(text: str) -> None:
    """Print to stderr; where nobody can be told, the exit status has to do."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _count(rows: list[Diagnostic]) -> str:
    words = []
    for severity in Severity:
        number = sum(1 for row in rows if row.severity is severity)
        if number:
            words.append(f"{number} {severity}{'s' if number > 1 else ''}")
    return ", ".join(words)


def guarded(run: Callable[[], object]) -> int:
    """Run the application; turn what it raises into an exit status and a message, never a traceback."""
    State.format = Format.TEXT
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a character that the terminal's encoding has not is shown as an escape
            reconfigure(errors="backslashreplace")
    try:
        os.getcwd()  # noqa: PTH109 - the plainest way to ask
    except OSError as error:
        note(f"vpci-compile: the working folder is gone: {error.strerror}\n")
        return NO
    try:
        status = _status(run)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away (`| head`)
        _abandon_output()
        return NO
    except OSError as error:
        if error.filename is not None:  # a name too long, a folder that is closed to us
            note(f"vpci-compile: cannot use '{printable(str(error.filename))}': {error.strerror}\n")
            return NO
        note(f"vpci-compile: cannot write to standard output: {error.strerror or error}\n")
        _abandon_output()
        return NO
    except Exception as fault:
        return _our_fault(fault)
    finally:
        resources.use_libraries(None)
    return status


def _status(run: Callable[[], object]) -> int:
    try:
        run()
    except Failed as failed:
        complain(failed.diagnostics)
        return NO
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else FINE if done.code is None else USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    return FINE


def _abandon_output() -> None:
    """Keep the interpreter from trying once more to write what is left."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _our_fault(fault: Exception) -> int:
    import traceback

    frame = traceback.extract_tb(fault.__traceback__)[-1]
    note(
        f"vpci-compile: a fault of ours: {type(fault).__name__}: {printable(str(fault)[:1000])}\n"
        f"  in {frame.name}, {frame.filename.rpartition('/')[2]}:{frame.lineno}\n"
        "  Please report it, with the input. VPCI_COMPILE_TRACEBACK=1 shows the whole traceback.\n"
    )
    if os.environ.get("VPCI_COMPILE_TRACEBACK"):
        note("".join(traceback.format_exception(fault)))
    return OUR_FAULT
