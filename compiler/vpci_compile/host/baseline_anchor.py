"""Layouts among the inputs: a layout is a contract already, so the baseline is one of them, and hosts are asked."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .. import diff, pipeline
from ..diagnostics import Failed, Source
from ..diff import Difference
from ..ir import Function
from .baseline_inputs import Layout
from .baseline_views import Setting
from .predict import Device
from .realize import Realized, realize

_WIDTH = 116
_MARK = "# The baseline of"
_ELSEWHERE = ("extends:", "capture:")
"""What names other files, from where the layout stands."""


class Anchored(NamedTuple):
    """A layout as the baseline: the layouts that keep its contract, and the hosts that present it."""

    layout: Layout
    layouts: tuple[Layout, ...]
    realized: Mapping[int, Realized]

    @property
    def numbers(self) -> list[int]:
        """Its inputs."""
        return sorted([*(one.number for one in self.layouts), *self.realized])


def anchored(layouts: Sequence[Layout], devices: Mapping[int, Device], setting: Setting) -> list[Anchored]:
    """What each of the layouts would be as the baseline."""
    found = []
    for layout in layouts:
        wanted = replace(layout.function, migrates=setting.migratable or layout.function.migrates)
        realized = {}
        for number, device in devices.items():
            try:
                realized[number] = realize(wanted, device, setting.stack.name, setting.options)
            except Failed:
                continue
        if setting.migratable:
            realized = _interchangeable(realized)
        kept = tuple(one for one in layouts if not otherwise(layout.function, one.function))
        found.append(Anchored(layout, kept, realized))
    return found


def _interchangeable(realized: Mapping[int, Realized]) -> dict[int, Realized]:
    """The most of them between which the VMM takes every migration."""
    classes: dict[tuple[int, int], dict[int, Realized]] = {}
    for number, one in realized.items():
        config = one.prediction.config
        compared, value = (int.from_bytes(octets, "little") for octets in (config.compared, config.value))
        classes.setdefault((compared, value & compared), {})[number] = one
    return max(classes.values(), key=lambda rows: (len(rows), -min(rows)), default={})


def otherwise(baseline: Function, other: Function) -> list[Difference]:
    """What another layout says otherwise, or leaves open, of all that `baseline` promises."""
    size = min(baseline.config.size, other.config.size)
    pairs = zip(baseline.config.compared[:size], other.config.compared[:size], strict=True)
    shared = bytes(ours & theirs for ours, theirs in pairs).ljust(other.config.size, b"\0")
    return diff.compare(baseline, replace(other, config=replace(other.config, compared=shared)))


def text(chosen: Layout, head: Sequence[str], folder: str, *, migrates: bool) -> str:
    """The layout once more, with its comment; where it names other files or must migrate, one that extends it.

    `folder` is where it will stand.
    """
    own = Path(chosen.path).read_text(encoding="utf-8")
    lines = own.splitlines(keepends=True)
    if own.startswith(_MARK):
        while lines and lines[0].startswith("#"):
            del lines[0]
    rows = (row for line in head for row in textwrap.wrap(line, _WIDTH, subsequent_indent="  "))
    comment = "".join(f"# {row}\n" for row in rows)
    alone = not any(line.strip().startswith(_ELSEWHERE) or "{capture:" in line for line in lines)
    if alone and migrates <= chosen.function.migrates:
        return comment + "".join(lines)
    base = chosen.shipped or os.path.relpath(chosen.path, folder or os.curdir)
    made = f"{comment}vpci: 1\ndevice: {chosen.function.name}\nextends: {base}\n"
    return made + ("migration: {migrates: true}\n" if migrates and not chosen.function.migrates else "")


def compiled(chosen: Layout, *, migrates: bool) -> Function:
    """The function of `text`.

    Raises:
        Failed: the layout does not say what a migration needs.
    """
    if migrates <= chosen.function.migrates:
        return chosen.function  # what extends it without a change is the same
    made = text(chosen, (), os.curdir, migrates=migrates)
    return pipeline.compile_source(Source(chosen.path, made), Path("baseline.yaml")).function
