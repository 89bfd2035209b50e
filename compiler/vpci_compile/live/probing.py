"""`probe` for people: which QEMU, which devices, and what goes wrong, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..diagnostics import failure, whole_file
from ..stack.emulated import probe_file
from ..stack.emulated.machine import Machine
from . import find_qemu
from .probe import NoFunctionError, probe
from .qtest import QemuError
from .saved_state import StreamError

_ID = re.compile(r"(?:^|,)id=([^,]*)")


def probe_text(
    qemu: Path | None, machine: str, devices: Sequence[str], arguments: Sequence[str], ids: Sequence[str]
) -> str:
    """The text of the probe file. Raises as `probe_machine`."""
    return probe_file.text(probe_machine(qemu, machine, devices, arguments, ids))


def probe_machine(
    qemu: Path | None, machine: str, devices: Sequence[str], arguments: Sequence[str], ids: Sequence[str]
) -> Machine:
    """Ask a QEMU about a machine with these devices.

    Raises:
        Failed: VPCI2001 (no QEMU), VPCI2002 (too old), VPCI2008 (it does not make this machine), VPCI2009 (no such id).
    """
    program, _ = find_qemu(qemu)
    named = [*_named(devices)]
    words = [word for device, _ in named for word in ("-device", device)]
    place = whole_file(program.name)
    try:
        return probe(program, machine, [*arguments, *words], list(ids) or [name for _, name in named])
    except NoFunctionError as error:
        known = ", ".join(name for _, name in named) or "none"
        message = f"the machine has no PCI function with the id '{error}'"
        raise failure("VPCI2009", place, message, help=f"ids on this command line: {known}") from error
    except (QemuError, StreamError) as error:
        raise failure("VPCI2008", place, f"this QEMU does not get to the end with that machine: {error}") from error


def _named(devices: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each device with its id; who has none gets one."""
    for number, device in enumerate(devices):
        own = f"probe{number}"
        if device.startswith("{"):
            entry = _json(device)
            yield (device, str(entry["id"])) if "id" in entry else (json.dumps({**entry, "id": own}), own)
        else:
            found = _ID.search(device)
            yield (device, found[1]) if found is not None else (f"{device},id={own}", own)


def _json(text: str) -> dict[str, object]:
    try:
        entry = json.loads(text)
    except ValueError:
        entry = None
    return entry if isinstance(entry, dict) else {}
