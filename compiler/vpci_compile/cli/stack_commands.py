"""The commands about kernels and VMMs: `stacks` and `predict`. Imported by `app`, which they join."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import CAPTURE, Command, OptionsOption, PlaceOption, SlotOption, Where, app, options_of
from .outcome import complain, say, tell

StackOption = Annotated[
    str, typer.Option("--stack", metavar="S", help="Kernel and VMM: linux-7.2/qemu-11.1 (see 'stacks').")
]


@app.command(cls=Command, short_help="List the kernels and VMMs that a stack can be made of.")
def stacks() -> None:
    """List the kernels and VMMs that a stack can be made of, and how well each is known.

    'executed' was compared with the program itself, byte for byte; 'read' comes from its source.
    """
    from ..emit.printed import prediction_text
    from ..stack import known_programs

    say(prediction_text.programs(known_programs()))


@app.command(cls=Command, short_help="Say what a guest will find of a captured function.")
def predict(
    capture: Annotated[Path, typer.Argument(metavar="CAPTURE", help=f"A real device: {CAPTURE}.", readable=False)],
    stack: StackOption,
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    slot: SlotOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it, too: .json, .bin or .lspci.", readable=False),
    ] = None,
) -> None:
    """Say what a guest will find of a captured function, with every change on the way and who makes it.

    Behind each change stands the function of the program, and whether that was
    executed or read. Exit 1 when the stack would not show the function at all.

    \b
    Examples:
      vpci-compile predict host.lspci --slot 3d:00.0 --stack linux-7.2/qemu-11.1
      vpci-compile predict gpu.lspci --stack linux-7.2 -o guest.lspci
    """
    from .. import api
    from ..emit.printed import prediction_text

    if output is not None and output.suffix not in api.PREDICTION_SUFFIXES:
        known = ", ".join(api.PREDICTION_SUFFIXES)
        raise typer.BadParameter(f"'{output}' ends with none of {known}", param_hint="--output")
    try:
        predicted = api.predict(capture, stack, place.value, options_of(option), slot)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    complain(predicted.diagnostics)
    say(prediction_text.render(predicted.function, predicted.prediction))
    if output is not None:
        api.write_prediction(predicted, output, (capture,))
        tell(f"{output}")
