"""The JSON document of a function, which `build` and `predict -o` write: what stands where.

`schemas/function.schema.json` is made here.
"""

from __future__ import annotations

from functools import cache

from ..ir import MASKS, BarKind, Beyond, Caching, Enable, Kind, Origin, Style
from ..loader.json_shape import Maybe, Number, Part, Rows, Text, Truth, part, schema_text
from ..stack import Place

KEY = "digest"
STACK = "stack"
CHECK_MASKS = ("cmask", "wmask", "w1cmask")
MAX_SPACE = 4096  # bytes
_MAX_ROWS = 4096
_BYTE = Number(0, MAX_SPACE)
_TEXT = Text("text", r"[^\x00-\x1f]{0,1000}")
_OCTETS = Text("bytes in hex", rf"(?:[0-9a-f]{{2}}){{64,{MAX_SPACE}}}")
_SIZE = Number(0, (1 << 64) - 1)


def _one_of(words: list[str]) -> Text:
    return Text(f"one of {', '.join(words)}", "|".join(words))


_ENABLE, _CACHING = _one_of([*Enable]), _one_of([*Caching])

_STRUCTURE = Part(
    "The header, a capability, or a run of bytes.",
    {
        "id": (Number(0, 0xFFFF), "Its id; of the header its type."),
        "name": (_TEXT, "How it is called."),
        "kind": (_one_of([*Kind]), "Which list it is in."),
        "offset": (_BYTE, "Its first byte."),
        "length": (_BYTE, "Bytes."),
        "source": (_one_of([*Origin]), "Where its bytes come from."),
        "title": (_TEXT, "Its name for people."),
    },
    {
        "style": (_one_of([*Style]), "How it is hidden."),
        "version": (Number(0, 15), "Version of an extended capability."),
    },
)

_BAR = part(
    "A base address register.",
    index=(Number(0, 6), "0..5, or 6 for the expansion ROM."),
    kind=(_one_of([*BarKind]), "What it is."),
    prefetchable=(Truth(), "Whether it is prefetchable."),
    size=(Maybe(_SIZE), "Bytes that the guest sizes; null: not known."),
    length=(Maybe(_SIZE), "Bytes of real memory behind it; null: not known."),
    source=(_one_of([*Origin]), "Whose it is."),
    caching=(_CACHING, "How a guest may map it."),
    beyond=(_one_of([*Beyond]), "What an access past the real memory does."),
    enable=(_ENABLE, "What the enable bit of the command register does."),
)

_REGION = part(
    "A device-specific region of VFIO.",
    instead_of=(Number(0, 5), "The BAR whose memory it is."),
    type=(Number(0, (1 << 32) - 1), "Its type."),
    subtype=(Number(0, (1 << 32) - 1), "Its subtype."),
    size=(_SIZE, "Bytes."),
    caching=(_CACHING, "How a guest may map it."),
    enable=(_ENABLE, "What the enable bit of the command register does."),
)

_GUEST = part(
    "Where the guest has it.",
    place=(_one_of([*Place]), "Behind a root port, on the root bus, or on a conventional bus."),
    segment=(Number(0, 0xFFFF), "PCI segment."),
    bus=(Number(0, 255), "Bus."),
    device=(Number(0, 31), "Device."),
    function=(Number(0, 7), "Function."),
    initiators=(Number(0, 0xFFFF), "NUMA nodes that it is the generic initiator of."),
    first_node=(Maybe(Number(0, 0xFFFF)), "Proximity domain of the first of them."),
)

_FIELD = part(
    "A field that has a bit in the run.",
    name=(_TEXT, "register.field"),
    bits=(Text("bits", r"\d{1,5}(?:\.\.\d{1,5})?"), "Its bits, counted from the run's first byte."),
    source=(_TEXT, "The line that decided it."),
)

_RUN = part(
    "Bytes with one owner.",
    offset=(_BYTE, "The first of them."),
    length=(_BYTE, "How many."),
    structure=(Maybe(_TEXT), "The owner's name."),
    source=(Maybe(_TEXT), "The line that decided them."),
    fields=(Rows(_FIELD, _MAX_ROWS), "The fields in them."),
)

_CHANGE = part(
    "One thing that a program does to the function.",
    offset=(_BYTE, "The first byte."),
    length=(_BYTE, "How many."),
    text=(_TEXT, "What it does."),
    source=(_TEXT, "The program's function that does it, and how sure that is."),
)

_MASKS = Part("Bit masks, as long as the space.", {name: (_OCTETS, f"ir/config_space.py: {name}") for name in MASKS})
_CHECK = Part("What QEMU compares of a migration that comes in.", {name: (_OCTETS, name) for name in CHECK_MASKS})

FORMAT = Part(
    "A function: its configuration space, and what each byte of it is.",
    {
        KEY: (Text("a sha256 in hex", "[0-9a-f]{64}"), "Names the contract."),
        "name": (_TEXT, "The function's name."),
        "version": (Number(0, (1 << 31) - 1), "The layout's version."),
        "size": (Number(64, MAX_SPACE), "Bytes of the space."),
        "value": (_OCTETS, "The bytes at reset."),
        "masks": (_MASKS, "Who answers a read, what a write does, what a migration compares."),
        "structures": (Rows(_STRUCTURE, _MAX_ROWS), "By offset."),
        "bars": (Rows(_BAR, 7), "By index."),
        "regions": (Rows(_REGION, 6), "By the BAR that each stands for."),
        "guest": (_GUEST, "Where it sits."),
        "provenance": (Rows(_RUN, _MAX_ROWS), "Every byte once, in order."),
    },
    {
        STACK: (_TEXT, "Of a prediction: the programs below the guest."),
        "place": (_one_of([*Place]), "Of a prediction: where the guest has it."),
        "changes": (Rows(_CHANGE, _MAX_ROWS), "Of a prediction: how it came to be."),
        "check": (Maybe(_CHECK), "Of a prediction: null where the VMM compares nothing."),
    },
)


@cache
def function_schema() -> str:
    """The text of `schemas/function.schema.json` (JSON Schema 2020-12)."""
    return schema_text("vpci-compile function", FORMAT)
