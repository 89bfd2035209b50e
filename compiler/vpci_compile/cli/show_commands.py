"""The commands that explain: `show`, `explain`, `schema`. Imported by `app`, which they join."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import (
    FUNCTION,
    BelowOption,
    Command,
    OptionsOption,
    PlaceOption,
    SlotOption,
    Where,
    app,
    load,
    options_of,
    refuse,
)
from .outcome import colours, complain, say, tell

if TYPE_CHECKING:
    from ..ir import Function
    from ..stack import Change


@app.command(cls=Command, short_help="Draw the configuration space of a layout or a capture.")
def show(
    context: typer.Context,
    function: Annotated[Path, typer.Argument(metavar="FUNCTION", help=FUNCTION, readable=False)],
    slot: SlotOption = None,
    stack: BelowOption = None,
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write a picture (SVG) instead.", readable=False)
    ] = None,
) -> None:
    """Draw the configuration space: what is where, who owns it, what is free.

    With --stack, as a guest finds the captured function below that stack.

    \b
    Examples:
      vpci-compile show nvidia/gh200
      vpci-compile show machines/gb200-four --svg machine.svg
      vpci-compile show host.lspci --slot 3d:00.0 --stack linux-7.2/qemu-11.1
    """
    from .. import api

    if api.is_machine(function):
        from .machine_commands import refuse_options, show_machine

        refuse_options(context, "slot", "stack", "place", "option")
        show_machine(function, svg)
        return
    shown, _, _ = _seen(context, function, slot, stack, place, option)
    if svg is None:
        from ..emit.printed import terminal_map

        say(terminal_map.render(shown, colour=colours()))
        return
    from ..emit import Artifact, writer
    from ..emit.pages import svg_map

    writer.write_all(svg.parent, [Artifact(svg.name, svg_map.render(shown).encode())], (function,))
    tell(f"{svg}")


@app.command(cls=Command, short_help="Explain one byte of a function, or an error code.")
def explain(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A layout, a capture, or the code of a diagnostic: VPCI1304.")
    ],
    offset: Annotated[
        str | None,
        typer.Argument(metavar="OFFSET", help="A byte, 0x68, or a name, pcie.devctl; of a machine gpu0, node3."),
    ] = None,
    slot: SlotOption = None,
    stack: BelowOption = None,
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
) -> None:
    """Explain one byte: its field, who answers, what a write does, which line decided it. Or explain an error code.

    With --stack, as a guest finds the captured function below that stack, and who changed the byte.

    \b
    Examples:
      vpci-compile explain nvidia/gh200 0x68
      vpci-compile explain machines/gh200 gpu0
      vpci-compile explain VPCI1304
    """
    if re.fullmatch(r"(?i)VPCI[0-9]{1,4}", what) and not Path(what).exists():
        say(_page(what.upper()))
        return
    from .. import api
    from ..emit.printed import explain as explanation
    from ..emit.printed import prediction_text

    if api.is_machine(what):
        from .machine_commands import explain_machine, refuse_options

        refuse_options(context, "slot", "stack", "place", "option")
        explain_machine(Path(what), offset)
        return
    if offset is None:
        raise typer.BadParameter("say which byte: vpci-compile explain FILE 0x68", param_hint="OFFSET")
    function, device, changes = _seen(context, Path(what), slot, stack, place, option)
    # The stack may have changed what a structure is, and so the names in it: those of the device still say the place.
    named = next((at for one in (function, device) if (at := one.place_of(offset)) is not None), None)
    at = _offset(offset, function.config.size) if named is None else named
    say(explanation.explain(function, at) + prediction_text.explain(changes, at))


@app.command(cls=Command, short_help="Print the JSON Schema of layouts, or names that layouts use.")
def schema(
    capabilities: Annotated[
        bool, typer.Option("--capabilities", help="List the names of all capabilities instead.")
    ] = False,
    fields: Annotated[
        str | None, typer.Option("--fields", metavar="CAP", help="List the fields of one capability instead.")
    ] = None,
) -> None:
    """Print the JSON Schema of layouts (for editors), or the names that layouts use.

    \b
    Examples:
      vpci-compile schema > device.schema.json
      vpci-compile schema --capabilities
      vpci-compile schema --fields pcie
    """
    from ..emit.printed import words

    if fields is not None:
        if capabilities:
            raise typer.BadParameter("either --capabilities or --fields", param_hint="--fields")
        text = words.fields(fields)
        if text is None:
            near = words.nearest_name(fields)
            way_out = f"did you mean '{near}'?" if near else "'vpci-compile schema --capabilities' lists them"
            raise typer.BadParameter(f"there is no capability '{fields}'; {way_out}", param_hint="--fields")
        say(text)
    elif capabilities:
        say(words.capabilities())
    else:
        from ..spec.schema import device_schema

        say(device_schema())


def _seen(
    context: typer.Context, path: Path, slot: str | None, stack: str | None, place: Where, option: list[str] | None
) -> tuple[Function, Function, tuple[Change, ...]]:
    """The function of a layout or a capture, twice; with a stack, what a guest finds of the capture, and why."""
    if stack is None:
        refuse(context, "that is of a capture below a stack: name it with --stack", "place", "option")
        compiled = load(path, slot, "--slot")
        complain(compiled.diagnostics)
        return compiled.function, compiled.function, ()
    from .. import api

    try:
        predicted = api.predict(path, stack, place.value, options_of(option), slot)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    complain(predicted.diagnostics)
    return predicted.function, predicted.device, predicted.prediction.changes


def _page(code: str) -> str:
    from .. import resources
    from ..diagnostics import REGISTRY, nearest

    if code not in REGISTRY:
        near = "".join(f"; did you mean {one}?" for one in nearest(code, REGISTRY))
        raise typer.BadParameter(f"there is no code {code}{near}", param_hint="WHAT")
    return (resources.folder("docs") / "errors" / f"{code}.md").read_text(encoding="utf-8")


def _offset(text: str, size: int) -> int:
    try:
        offset = int(text, 0)
    except ValueError:
        message = f"'{text}' is no byte and no name in this function; write 0x68, 104 or pcie.devctl"
        raise typer.BadParameter(message, param_hint="OFFSET") from None
    if not 0 <= offset < size:
        raise typer.BadParameter(f"{offset:#x} is outside this space (0x000..{size - 1:#x})", param_hint="OFFSET")
    return offset
