"""The probe file: what stands where. docs/probe.md says it in words; `schemas/probe.schema.json` is made here."""

from __future__ import annotations

from functools import cache

from ...capture.hex_rows import ROW_BYTES
from ...capture.host_format import ROW, RUN
from ...capture.model import MAX_SPACE
from ...loader.json_shape import Maybe, Names, Number, Part, Rows, Scalar, Text, schema_text

VERSION = 1
VERSION_KEY = "vpci-probe"
MASKS = ("config", "cmask", "wmask", "w1cmask")
_COUNT = Number(0, (1 << 32) - 1)
_SIZE = Number(0, (1 << 63) - 1)
_NAME = Text("a name of at most 255 characters", r"[\x20-\x7e]{1,255}")
_MAYBE_NAME = Text("a name of at most 255 characters, or nothing", r"[\x20-\x7e]{0,255}")
_TEXT = Text("text of at most 1000 characters", r"[\x20-\x7e\n]{0,1000}")
_ROW = Text('a row of bytes, "000: 86 80 d3 10" or "110..fff: 00"', f"{ROW}|{RUN}")
_ROWS = Rows(_ROW, MAX_SPACE // ROW_BYTES)

_EQUAL = Part(
    "A field that a destination must have equal.",
    {
        "name": (_NAME, "What QEMU calls it."),
        "type": (_NAME, "Its form: uint16 equal."),
        "value": (_COUNT, "What this machine has."),
    },
)

_SECTION = Part(
    "What one device saves.",
    {
        "name": (
            _NAME,
            "The device, as the stream names it: the path of a PCI function, and what kind of state it is.",
        ),
        "instance": (_COUNT, "Its number among those of one name."),
        "version": (_COUNT, "Of its form."),
        "number": (_COUNT, "Of the section in this machine's stream."),
        "size": (_SIZE, "Bytes, without optional parts."),
        "holder": (_MAYBE_NAME, "The field that holds the configuration space: pci config, virtio; empty for none."),
        "equals": (Rows(_EQUAL, 65536), "Fields that must be equal."),
        "queues": (Rows(_COUNT, 1024), "Entries of each virtqueue."),
    },
)

_CHECK = Part(
    "The configuration space as QEMU saves it, and its masks; where QEMU compares nothing, all three masks are 0.",
    {
        "config": (_ROWS, "The bytes."),
        "cmask": (_ROWS, "Bits that a destination compares."),
        "wmask": (_ROWS, "Of those bytes: bits that a guest can write, which are not compared for that."),
        "w1cmask": (_ROWS, "Of those bytes: bits that a guest clears by writing 1, which are not compared either."),
    },
)

_FUNCTION = Part(
    "A PCI function of the machine.",
    {
        "id": (_NAME, "Its id on the command line."),
        "driver": (_NAME, "What -device named."),
        "path": (_NAME, "Where it is: the root bus, then slot and function on each bus."),
        "section": (_MAYBE_NAME, "The section that it saves; empty for a device that saves nothing."),
        "check": (Maybe(_CHECK), "What a destination compares; null where no configuration space is saved."),
        "guest": (Maybe(_ROWS), "The configuration space as a guest reads it; null where it was not read."),
        "bars": (
            Rows(
                Part(
                    "A BAR.",
                    {
                        "number": (Number(0, 6), "0..5, 6 for the ROM."),
                        "kind": (_NAME, "io, mem32, mem64, with prefetchable where it is; rom."),
                        "size": (_SIZE, "Bytes."),
                    },
                ),
                7,
            ),
            "Its BARs and its ROM.",
        ),
        "properties": (Names(_NAME, Scalar(), 4096), "The device's properties, those that were not given as well."),
    },
)

FORMAT = Part(
    "What a QEMU said of a machine of its own, and of what it takes in a migration; 'vpci-compile probe' writes it.",
    {
        VERSION_KEY: (Number(VERSION, VERSION), "Version of this format."),
        "qemu": (_NAME, "The release of QEMU."),
        "machine": (_NAME, "The machine type, with its version: pc-q35-11.1."),
        "blocked": (_TEXT, "Why QEMU does not let this machine migrate, in its words; empty where it does."),
        "ram_version": (_COUNT, "Of the form in which RAM is saved."),
        "blocks": (
            Rows(Part("A RAM block.", {"name": (_NAME, "Its name."), "size": (_SIZE, "Bytes.")}), 65536),
            "RAM blocks, in the order of the stream.",
        ),
        "sections": (Rows(_SECTION, 65536), "Sections, in the order of the stream."),
        "functions": (Rows(_FUNCTION, 65536), "The PCI functions that were asked about."),
    },
)


@cache
def probe_schema() -> str:
    """The text of `schemas/probe.schema.json` (JSON Schema 2020-12)."""
    return schema_text("vpci-compile probe file", FORMAT)
