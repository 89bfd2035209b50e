"""Whether what is below one stack can be migrated to where something is below another."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .machines import load_machine
from .named import StrPath, compile_layout, is_layout

if TYPE_CHECKING:
    from ..diff import Outcome
    from ..host.machines import Probed
    from ..host.policy import Accepted
    from ..host.sides import Side


class Below(NamedTuple):
    """What stands between a function and its guest: a stack ("" for the newest known), the place, the options."""

    stack: str = ""
    place: str = "port"
    options: Mapping[str, str] = {}


def side(path: StrPath, slot: str | None = None, below: Below | None = None) -> Side:
    """A layout, a capture below a stack, or a JSON document of `build` or `predict`, as one side of a migration.

    Raises:
        ValueError: there is no such stack, place or option.
        Failed: it cannot be read, the stack does not show it, or it says too little.
    """
    from .. import capture
    from ..host import document, sides
    from ..stack import Place, newest

    below = below or Below()
    name = os.fspath(path) if slot is None else f"{os.fspath(path)} {slot}"
    stack, place = below.stack or newest(), Place(below.place)
    if is_layout(path):
        compiled = compile_layout(path)
        return sides.of_layout(compiled.function, name, stack, below.options)._replace(diagnostics=compiled.diagnostics)
    read = document.read(Path(path), os.fspath(path))
    if read is not None:
        return sides.of_document(read, name, below.stack or read.stack or stack, below.options)
    return sides.of_capture(capture.read(Path(path), slot, os.fspath(path)), name, stack, place, below.options)


def migration(source: Side | Probed, destination: Side | Probed, accepted: Sequence[Accepted] = ()) -> Outcome:
    """Whether a machine with `source` can be migrated to where it has `destination`, and back; with every reason.

    `accepted` are differences that an operator does not mind (host.policy).

    Raises:
        ValueError: one is a whole machine, the other a function.
    """
    from ..host import machines
    from ..host import migration as rules
    from ..host.machines import Probed
    from ..host.sides import Side

    if isinstance(source, Probed) and isinstance(destination, Probed):
        return machines.outcome(source, destination, accepted)
    if isinstance(source, Side) and isinstance(destination, Side):
        return rules.outcome(source, destination, accepted)
    raise ValueError("one side is a machine that 'probe' asked about, and the other a function")


def migration_of_machines(source: StrPath, destination: StrPath, accepted: Sequence[Accepted] = ()) -> Outcome:
    """Whether a machine of one layout can be migrated to where one of another was built, and back."""
    from ..host import systems

    return systems.outcome(load_machine(source).system, load_machine(destination).system, accepted)
