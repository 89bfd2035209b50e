"""What guests find of captured functions below a stack, of one and of a whole fleet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .named import StrPath

if TYPE_CHECKING:
    from ..fleet import FleetReport, Group, Member
    from ..host import Baseline, Predicted

PREDICTION_SUFFIXES = (".json", ".bin", ".lspci")


def predict(
    path: StrPath,
    stack: str,
    place: str = "port",
    options: Mapping[str, str] | None = None,
    slot: str | None = None,
) -> Predicted:
    """What a guest finds of the captured function `path` below `stack` ("linux-7.2/qemu-11.1"), at `place`.

    Raises:
        ValueError: there is no such stack, place or option.
        Failed: VPCI2101, the stack does not show the function; or the capture cannot be read.
    """
    from .. import host
    from ..stack import Place

    device = host.read_device(Path(path), slot, os.fspath(path))
    return host.predict(device, stack, Place(place), options or {})


def write_prediction(predicted: Predicted, path: StrPath, made_of: Iterable[StrPath] = ()) -> None:
    """Write the predicted space; the suffix of `path`, none of `made_of`, says as what (see PREDICTION_SUFFIXES)."""
    from ..emit import Artifact, image, lspci_text, writer
    from ..emit.artifact import Options

    target = Path(path)
    made = [*image.emit(predicted.function, Options()), *lspci_text.emit(predicted.function, Options())]
    data = next(artifact.data for artifact in made if Path(artifact.name).suffix == target.suffix)
    if target.suffix == ".json":
        data = image.with_prediction(data, predicted.prediction)
    writer.write_all(target.parent, [Artifact(target.name, data)], made_of)


def baseline(
    paths: Sequence[StrPath],
    stack: str,
    place: str = "port",
    options: Mapping[str, str] | None = None,
    *,
    migratable: bool = False,
    slot: str | None = None,
    folder: StrPath = "",
) -> Baseline:
    """The layout that the captured functions `paths` can all present below `stack`, at `place`.

    `options` hold for all of them. Where layouts are among `paths` the baseline is one of these, or extends it, from
    `folder`. With `migratable` what blocks a migration between hosts is left out, too. Inputs that cannot be used, and
    hosts that cannot be the same function as the others, are in the result.

    Raises:
        ValueError: there is no such stack, place or option.
        Failed: a layout does not say what a migration needs.
    """
    from .. import host
    from ..stack import Place

    names = [os.fspath(path) for path in paths]
    return host.baseline(
        names, stack, Place(place), options, migratable=migratable, slot=slot, folder=os.fspath(folder)
    )


def fleet(
    paths: Iterable[StrPath],
    stack: str = "",
    place: str = "port",
    options: Mapping[str, str] | None = None,
    *,
    each: Callable[[Member, Group], None] | None = None,
    progress: Callable[[int, str], None] | None = None,
) -> FleetReport:
    """Group the functions of many hosts by model and by contract below a stack, and say which stand apart.

    Without a stack it is the newest known. `paths` are files, folders or patterns. What cannot be read is in the
    report, and the rest is answered. `each` is called with each function and its group, `progress` with the number of
    the file that is read, and its name.

    Raises:
        ValueError: there is no such stack, place or option.
    """
    from .. import host
    from ..fleet import below
    from ..stack import newest

    names = [os.fspath(path) for path in paths]
    return host.survey(names, below(stack or newest(), place, options or {}), each=each, progress=progress)
