"""The function as a C header (constants, image, and what reads and writes do), and a program that tests the header.

The template holds the frame and the code; the tables, which are long, are made here as text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from ..ir import MASKS, ROM_INDEX, Bar, BarKind, Beyond, Caching, Enable, FieldAt, Function, Kind, Origin, Structure
from .artifact import Artifact, Options
from .render import render

_WIDTH = 80
_TAB = 8


def emit(function: Function, options: Options) -> list[Artifact]:
    """NAME.h, and NAME_selftest.c, a program that checks NAME.h against the image in a second form."""
    prefix = identifier(function.name)
    macros = _Macros(prefix.upper())
    config = function.config
    values: dict[str, object] = {
        "name": comment(function.name),
        "quoted": _quoted(function.name),
        "source": comment(function.origin.path.rsplit("/", 1)[-1]),
        "about": textwrap.wrap(comment(function.about), _WIDTH - 4, break_long_words=False),
        "p": prefix,
        "P": macros.prefix,
        "size": config.size,
        "digest": function.digest,
        "sections": _sections(function, macros),
        "bars": [_bar_row(bar, macros) for bar in function.bars],
        "arrays": {name: _array(getattr(config, name)) for name in ("value", *MASKS)},
    }
    header = render("c/header.h.j2", values)
    runs = {name: _runs(getattr(config, name)) for name in ("value", *MASKS)}
    selftest = render("c/selftest.c.j2", {**values, "runs": runs})
    return [
        Artifact(f"{function.name}.h", header.encode()),
        Artifact(f"{function.name}_selftest.c", selftest.encode()),
    ]


# -- text that is safe in C ----------------------------------------------------------------------------------------

# First words whose names standard headers or the kernel's own headers have taken: INT_MAX, SIZE_MAX, PAGE_SIZE, pci_*.
_TAKEN = re.compile(
    r"bool|(s|u)?char|u?int(8|16|32|64|max|ptr)?|linux|u?l?long|page|path|pci|ptrdiff|u?short|sig|s?size|stack|task"
    r"|thread|vfio|wchar|wint|word"
)


def identifier(name: str) -> str:
    """A lower-case C identifier for `name` that neither C, C++ nor a common header has reserved as a prefix."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    if not words or words[0][0].isdigit() or _TAKEN.fullmatch(words[0]):
        words.insert(0, "vpci")
    return "_".join(words)


_RISKY = re.compile(r"[*/]{2}|\?\?|\\|  |^ | $")


@lru_cache(4096)
def comment(text: str) -> str:
    """`text` on one line so that it cannot end a comment, start one, splice a line or turn the text around."""
    if text.isascii() and text.isprintable() and not _RISKY.search(text):
        return text
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return re.sub(r"\?\?+", "?", text.replace("\\", "/")).replace("*/", "* /").replace("/*", "/ *")


def _quoted(text: str) -> str:
    """A C string literal; every byte that is not plain is octal (hex escapes have no end)."""
    plain = (chr(b) if 0x20 <= b < 0x7F and b not in b'"\\?' else f"\\{b:03o}" for b in text.encode(errors="replace"))
    return f'"{"".join(plain)}"'


# -- macros --------------------------------------------------------------------------------------------------------


@lru_cache(4096)
def _macro_word(word: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", word.upper()).strip("_")


class _Macros:
    """Hands out macro names; who comes second for a name gets it with a number, so the first keeps it for good."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._taken: set[str] = {f"{prefix}_{name}" for name in ("SIZE", "DIGEST", "H")}

    def claim(self, *words: str, tails: tuple[str, ...] = ("",)) -> str:
        """A name made of the prefix and `words`, free together with each of `tails` behind it."""
        wanted = "_".join(filter(None, map(_macro_word, words)))
        number, name = 1, wanted or "X"
        while any(f"{self.prefix}_{name}{tail}" in self._taken for tail in tails):
            number += 1
            name = f"{wanted or 'X'}_{number}"
        self._taken.update(f"{self.prefix}_{name}{tail}" for tail in tails)
        return name


@dataclass(slots=True)
class _Section:
    """A comment, and the macros below it: (name after the prefix, value, comment, whether it is part of another)."""

    about: str
    rows: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def add(self, name: str, value: str, about: str = "", *, inner: bool = False) -> None:
        self.rows.append((name, value, comment(about), inner))

    def text(self, prefix: str) -> str:
        """The lines as in linux/pci_regs.h: tabs, columns of values and comments, parts one blank to the right."""
        heads = [f"#define {' ' if inner else ''}{prefix}_{name}" for name, _, _, inner in self.rows]
        column = _stop(max(map(len, heads), default=0))
        ends = [column + len(value) for _, value, _, _ in self.rows if len(value) <= 2 * _TAB]
        second = _stop(max(ends, default=column))
        lines = [f"/* {self.about} */"] if self.about else []
        for head, (_, value, about, _) in zip(heads, self.rows, strict=True):
            line = head + _tabs(len(head), column) + value
            if about:
                line += _tabs(column + len(value), second) + f"/* {about} */"
            lines.append(line)
        return "\n".join(lines)


def _stop(width: int) -> int:
    return (width // _TAB + 1) * _TAB


def _tabs(width: int, column: int) -> str:
    return "\t" * max(1, (column - width + _TAB - 1) // _TAB) if width < column else " "


def _sections(function: Function, macros: _Macros) -> list[str]:
    # Names are claimed in order of how much people rely on them; the text has its own order.
    first = [*_choices(function, macros), *(_bar(bar, macros) for bar in function.bars), *_regions(function, macros)]
    first.append(_nodes(function, macros))
    bases = [_base(structure, macros) for structure in function.structures]
    for structure, (section, stem) in zip(function.structures, bases, strict=True):
        _registers(function, structure, stem, section, macros)
    order = sorted(range(len(bases)), key=lambda n: (function.structures[n].offset, n))
    sections = [*first, *(bases[n][0] for n in order)]
    return [section.text(macros.prefix) for section in sections if section.rows]


# -- structures ----------------------------------------------------------------------------------------------------

_STATES = {Origin.COPIED: "copied from the device", Origin.SYNTHESIZED: "synthesized", Origin.HIDDEN: "hidden"}


def _base(structure: Structure, macros: _Macros) -> tuple[_Section, str]:
    title = structure.title if structure.kind is not Kind.BYTES else f"{structure.name}: bytes outside every capability"
    clause = structure.capability.clause if structure.capability else ""
    state = _STATES[structure.source] + (f", {structure.style}" if structure.style else "")
    section = _Section(comment(f"{title}, {state}"))
    if structure.kind is Kind.HEADER:  # at 0; its registers stand without its name, as in linux/pci_regs.h
        section.add(macros.claim("header_sizeof"), f"{structure.length}", clause)
        return section, ""
    stem = macros.claim(structure.name, tails=("", "_SIZEOF"))
    section.add(stem, f"0x{structure.offset:02x}", clause)
    section.add(f"{stem}_SIZEOF", f"{structure.length}")
    return section, stem


def _registers(function: Function, structure: Structure, stem: str, section: _Section, macros: _Macros) -> None:
    """The registers at their place in the space, and the masks of their fields within them."""
    capability = structure.capability
    if capability is None or (structure.source is Origin.HIDDEN and not any(_bytes(function, structure))):
        return
    described: set[str] = set()  # registers whose fields are done: those that repeat share them
    last = ""
    for one in function.fields(structure):
        register = one.place.register
        if one.place.offset < capability.chain.header_bytes:
            continue  # id and next pointer: every capability has them
        if one.register != last:
            last, fresh = one.register, register.name not in described
            described.add(register.name)
            width = f"{one.place.size} bytes" if register.blob else f"{8 * one.place.size} bits"
            about = f"{register.title}, {width}" if register.title else width
            tails = ("", "_SIZEOF") if register.blob else ("",)
            name = macros.claim(stem, one.register, tails=tails)
            # The prefix of field names: without the index, unless another register has taken that name.
            parts = name if register.repeat is None else f"{stem}_{register.name}"
            section.add(name, f"0x{one.offset:02x}", about)
            if register.blob:
                section.add(f"{name}_SIZEOF", f"{one.place.size}", inner=True)
        if fresh and not register.blob and one.field.width < 8 * one.place.size:
            _mask(one, parts, section, macros)


def _mask(one: FieldAt, register: str, section: _Section, macros: _Macros) -> None:
    own = one.field.name == one.place.register.name
    tails = ("_MASK" if own else "", "_SHIFT")
    name = macros.claim(register, "" if own else one.field.name, tails=tails)
    suffix = "ULL" if one.place.size > 4 else ""
    about = "" if own else one.field.title
    section.add(f"{name}{tails[0]}", f"0x{one.field.mask:0{2 * one.place.size}x}{suffix}", about, inner=True)
    if one.field.width > 1:  # a flag is tested, not shifted
        section.add(f"{name}_SHIFT", f"{one.field.low}", inner=True)


def _bytes(function: Function, structure: Structure) -> bytes:
    return function.config.value[structure.offset : structure.end]


# -- BARs, regions, nodes ------------------------------------------------------------------------------------------


_Choice = Caching | Beyond | Enable


def _word(choice: _Choice) -> str:
    kind = {Caching: "CACHING", Beyond: "BEYOND", Enable: "ENABLE"}[type(choice)]
    return f"{kind}_{choice.name}"


_CHOICES: tuple[tuple[str, Iterable[_Choice]], ...] = (
    ("How a guest may map memory", Caching),
    ("Accesses past the real memory: read ones or zeros and drop writes, or fail", Beyond),
    ("Accesses that obey the enable bit of the command register: all, none, the first after a reset", Enable),
)


def _choices(function: Function, macros: _Macros) -> Iterator[_Section]:
    for about, kind in _CHOICES:
        section = _Section(about)
        if function.bars or (function.regions and kind is not Beyond):
            for number, choice in enumerate(kind):
                section.add(macros.claim(_word(choice)), f"{number}")
        yield section


_UNITS = ((1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def _amount(size: int) -> str:
    return next((f"{size // unit} {name}" for unit, name in _UNITS if size and size % unit == 0), f"{size} bytes")


_KINDS = {
    BarKind.MEM32: "32-bit memory",
    BarKind.MEM64: "64-bit memory",
    BarKind.IO: "I/O ports",
    BarKind.ROM: "expansion ROM",
}


def _bar(bar: Bar, macros: _Macros) -> _Section:
    what = "Expansion ROM" if bar.index == ROM_INDEX else f"BAR {bar.index}: {_KINDS[bar.kind]}"
    prefetchable = ", prefetchable" if bar.prefetchable else ""
    unsized = ", size not stated" if bar.size is None else ""
    section = _Section(f"{what}{prefetchable}, {_STATES[bar.source]}{unsized}")
    tails = ("_SIZE", "_LENGTH", "_CACHING", "_BEYOND", "_ENABLE")
    name = macros.claim("rom_bar" if bar.index == ROM_INDEX else f"bar{bar.index}", tails=tails)
    if bar.size is not None:
        section.add(f"{name}_SIZE", f"0x{bar.size:x}ULL", f"{_amount(bar.size)}, as the guest sizes it")
    if bar.length is not None:
        section.add(f"{name}_LENGTH", f"0x{bar.length:x}ULL", f"{_amount(bar.length)} behind it")
    for tail, choice in (("CACHING", bar.caching), ("BEYOND", bar.beyond), ("ENABLE", bar.enable)):
        section.add(f"{name}_{tail}", f"{macros.prefix}_{_word(choice)}")
    return section


_IO_ENABLE, _MEMORY_ENABLE = 0x1, 0x2  # bits of the command register (PCIe 6.0 7.5.1.1.3)


def _bar_row(bar: Bar, macros: _Macros) -> tuple[str, ...]:
    """The initializer of its structure in the header."""
    words = [f"{macros.prefix}_{_word(choice)}" for choice in (bar.enable, bar.caching, bar.beyond)]
    bit = _IO_ENABLE if bar.kind is BarKind.IO else _MEMORY_ENABLE
    return (f"{bar.index}", f"{bit:#x}", *words, f"0x{bar.size or 0:x}ULL", f"0x{bar.length or 0:x}ULL")


def _regions(function: Function, macros: _Macros) -> Iterator[_Section]:
    for region in function.regions:
        section = _Section(f"VFIO region in place of BAR {region.instead_of}: no BAR in the guest, mapped only")
        tails = ("_TYPE", "_SUBTYPE", "_SIZE", "_CACHING", "_ENABLE")
        name = macros.claim(f"region{region.instead_of}", tails=tails)
        section.add(f"{name}_TYPE", f"0x{region.type:08x}U")
        section.add(f"{name}_SUBTYPE", f"0x{region.subtype:08x}U")
        section.add(f"{name}_SIZE", f"0x{region.size:x}ULL", _amount(region.size))
        section.add(f"{name}_CACHING", f"{macros.prefix}_{_word(region.caching)}")
        section.add(f"{name}_ENABLE", f"{macros.prefix}_{_word(region.enable)}")
        yield section


def _nodes(function: Function, macros: _Macros) -> _Section:
    section = _Section("NUMA nodes whose generic initiator the function is")
    if function.guest.initiators:
        section.add(macros.claim("initiators"), f"{function.guest.initiators}", "number of nodes")
        if function.guest.first_node is not None:
            section.add(macros.claim("first_node"), f"{function.guest.first_node}", "proximity domain of the first")
    return section


# -- tables --------------------------------------------------------------------------------------------------------

_ROW = 8  # bytes in a line


def _array(data: bytes) -> str:
    """The initializer of an array: rows up to the last byte that is not zero, as C fills the rest with zeros."""
    used = data.rstrip(b"\0")
    if not used:
        return "\t0x00,\n"
    cells = "0x" + data[: len(used) + -len(used) % _ROW].hex(",").replace(",", ", 0x")
    step = _ROW * len("0x00, ")
    rows = (f"\t/* 0x{at // step * _ROW:03x} */ {cells[at : at + step - 2]},\n" for at in range(0, len(cells), step))
    return "".join(rows)


_RUN = re.compile(rb"(.)\1*", re.DOTALL)


def _runs(data: bytes) -> str:
    """Runs of equal bytes, {first, count, byte}, in which zeros are left out and a run of no bytes is the end."""
    found = [(run.start(), run.end() - run.start(), data[run.start()]) for run in _RUN.finditer(data)]
    cells = [f"{{ 0x{first:03x}, {count}, 0x{byte:02x} }}," for first, count, byte in found if byte]
    cells.append("{ 0, 0, 0 },")
    return "\n".join("\t" + " ".join(cells[at : at + 3]) for at in range(0, len(cells), 3))
