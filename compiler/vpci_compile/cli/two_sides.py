"""What `diff` and `report` share: the two sides of a migration, and the options that say what they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from .app import FUNCTION, options_of, refuse

if TYPE_CHECKING:
    from ..api import Below
    from ..host.machines import Probed
    from ..host.policy import Accepted
    from ..host.sides import Side

SourceArgument = Annotated[
    Path,
    typer.Argument(metavar="SRC", help=f"{FUNCTION[:-1]}; or what build or predict wrote (.json).", readable=False),
]
DstSlotOption = Annotated[
    str | None, typer.Option("--dst-slot", metavar="BDF", help="Which function of the capture DST.")
]
DstStackOption = Annotated[
    str, typer.Option("--dst-stack", metavar="S", help="Kernel and VMM of the destination, if others.")
]
DstOptionsOption = Annotated[
    list[str] | None,
    typer.Option("--dst-option", metavar="K=V", help="Another value of an option on the destination."),
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="FIELD", help="A field that may differ: pcie.lnksta, or pcie. More than once."),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="A file that says what may differ, and why.", readable=False),
]


class Typed(NamedTuple):
    """One side, as it was typed; `option` is the one that gives the slot."""

    path: Path
    slot: str | None
    option: str


def are_machines(source: Path, destination: Path) -> bool:
    """Whether both sides are layouts of machines; one alone is wrong usage."""
    from .. import api

    found = [api.is_machine(path) for path in (source, destination)]
    if any(found) and not all(found):
        for path in (source, destination):
            if not path.exists() and not api.is_layout(path):
                api.load(path)  # says that there is none
        raise typer.BadParameter("one side is a machine layout, and the other is none", param_hint="SRC, DST")
    return all(found)


def both(
    context: typer.Context,
    source: Typed,
    destination: Typed,
    below: Below,
    dst_stack: str,
    dst_option: list[str] | None,
) -> tuple[Side | Probed, Side | Probed]:
    """The two sides; `below` holds for both of them, as far as nothing else is said of the destination."""
    options = {**below.options, **options_of(dst_option, "--dst-option")}
    ours = _side(source, below)
    theirs = _side(destination, below._replace(stack=dst_stack or below.stack, options=options))
    _refuse_unread(context, ours, theirs)
    return ours, theirs


def _side(typed: Typed, below: Below) -> Side | Probed:
    from .. import api

    found: Side | Probed | None = api.machine(typed.path)
    if found is None:
        try:
            found = api.side(typed.path, typed.slot, below)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    if typed.slot is not None and getattr(found, "capture", None) is None:
        what = "a layout" if api.is_layout(typed.path) else "no capture"
        raise typer.BadParameter(f"'{typed.path}' is {what}: it has one function", param_hint=typed.option)
    return found


def _refuse_unread(context: typer.Context, source: Side | Probed, destination: Side | Probed) -> None:
    """Refuse options of the VMM, and a place, where neither side is a capture, which alone is shown by them."""
    from ..host.sides import Side

    sides = [one for one in (source, destination) if isinstance(one, Side)]
    if any(one.capture is not None for one in sides):
        return
    options = sorted({key for one in sides for key in one.unread})
    if options:
        refuse(context, f"no side is a capture: nothing reads {', '.join(options)}", "option", "dst_option")
    refuse(context, "no side is a capture: both say themselves where the guest has them", "place")


def accepted(ignore: list[str] | None, policy: Path | None) -> list[Accepted]:
    """The differences that do not matter: what is ignored, and what a policy says."""
    from ..host.policy import Accepted, read

    return [
        *(Accepted(field, f"--ignore {field}") for field in ignore or ()),
        *(read(policy, str(policy)) if policy is not None else ()),
    ]
