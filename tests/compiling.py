"""Layouts as text, compiled: what the tests of the language, of placement, of masks and of `diff` start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judges import ROOT
from vpci_compile import pipeline
from vpci_compile.diagnostics import Diagnostic, Failed, Source
from vpci_compile.emit import image
from vpci_compile.emit.artifact import Options
from vpci_compile.ir import Function, Structure

LAYOUTS = ROOT / "layouts"
HEAD = """\
vpci: 1
device: example
identity: {vendor: 0x1234, device: 0x5678, class: 0xff0000}
migration: {migrates: false}
targets: []
"""
BRIDGE = HEAD.replace("class: 0xff0000", "class: 0x060400, header_type: 1")
# The standard chain of a function that has extended capabilities; they stand behind it.
EXPRESS = "capabilities:\n  - {cap: pcie, at: 0x40, source: synthesized, fields: {ee_prefix: 1}}\n"


def device_layouts() -> list[Path]:
    """Every shipped layout of a function; those of machines are others."""
    return sorted(path for path in LAYOUTS.rglob("*.yaml") if "machines" not in path.relative_to(LAYOUTS).parts)


def whole_layouts() -> list[Path]:
    """Those of them that are whole: a base is there to be extended."""
    return [path for path in device_layouts() if not path.stem.endswith("-base")]


def compiled(text: str, head: str = HEAD, folder: Path = LAYOUTS) -> Function:
    """The function of `head` and `text`, which stand in a file of `folder`."""
    return pipeline.compile_source(Source("layout.yaml", head + text), folder / "layout.yaml").function


def diagnostics(text: str, head: str = HEAD, folder: Path = LAYOUTS) -> tuple[Diagnostic, ...]:
    """Everything that compiling says, whether or not it gives a function."""
    try:
        return pipeline.compile_source(Source("layout.yaml", head + text), folder / "layout.yaml").diagnostics
    except Failed as failed:
        return failed.diagnostics


def refusal(text: str, head: str = HEAD, folder: Path = LAYOUTS) -> list[str]:
    """The codes of a layout that is refused."""
    with pytest.raises(Failed) as caught:
        compiled(text, head, folder)
    return [d.code for d in caught.value.diagnostics if d.severity == "error"]


def octets(function: Function, at: int, number: int, of: str = "value") -> str:
    """Bytes of the image, or of a mask, in hex."""
    return bytes(getattr(function.config, of)[at : at + number]).hex(" ")


def places(function: Function) -> dict[str, int]:
    """Name to offset."""
    return {structure.name: structure.offset for structure in function.structures}


def structure(function: Function, name: str) -> Structure:
    """The structure of that name."""
    (found,) = (one for one in function.structures if one.name == name)
    return found


def document(function: Function) -> dict[str, Any]:
    """NAME.json, read back."""
    (made,) = (artifact for artifact in image.emit(function, Options()) if artifact.name.endswith(".json"))
    read: dict[str, Any] = json.loads(made.data)
    return read
