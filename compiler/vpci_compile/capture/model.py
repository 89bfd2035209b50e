"""What a capture is: the configuration space of one real function, and what its source says about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..diagnostics import Diagnostic, Report, Source, Span, whole_file

MAX_SPACE = 4096
"""The largest configuration space in bytes: PCIe 6.0 7.2.2."""
HEADER_BYTES = 64
CONVENTIONAL_BYTES = 256

_SLOT = re.compile(r"(?:([0-9a-fA-F]{1,8}):)?([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})\.([0-7])")


@dataclass(frozen=True, slots=True)
class BarFact:
    """What the kernel knew of a base address register; `index` 0..5, or 6 for the expansion ROM; `size` in bytes."""

    index: int
    size: int
    io: bool = False
    prefetchable: bool = False
    wide: bool = False  # 64-bit: the next register holds the upper half
    origin: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of a hex dump on consecutive lines: byte `offset` starts line `line`, 16 bytes a line, `rows` lines."""

    offset: int
    line: int
    rows: int


@dataclass(frozen=True, slots=True)
class IommuFacts:
    """What iommufd says of the IOMMU in front of a function; there is no PASID where `max_pasid_log2` is 0."""

    max_pasid_log2: int = 0
    pasid_exec: bool = False
    pasid_priv: bool = False
    ats: bool = False
    dirty_tracking: bool = False


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the host says of a function beside its bytes. What was not asked is "", None or empty.

    `kernel` is a release ("7.2.13", "6.12.57+deb13-amd64"), `architecture` is uname's. `migration` has those of
    "stop-copy", "p2p" and "pre-copy" that the driver has, none of them when it does not migrate. `regions` maps the
    index of a VFIO region to its size; `vfio_config` is the configuration space as vfio shows it, where the ranges
    (first, byte after the last) of `vfio_missing` are not known and stand as 0. `physical_function` is the slot of a
    virtual function's PF; `sriov` says that virtual functions of this one are enabled; `intx`, that there is an
    interrupt for its pin (vfio hides the pin of a function without).
    """

    kernel: str = ""
    architecture: str = ""
    iommu: IommuFacts | None = None
    migration: frozenset[str] | None = None
    dma_logging: bool | None = None
    regions: Mapping[int, int] = field(default_factory=dict, hash=False)
    vfio_config: bytes = b""
    vfio_missing: tuple[tuple[int, int], ...] = ()
    physical_function: str = ""
    sriov: bool = False
    intx: bool | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Configuration space read from one function.

    `data` holds 64..4096 bytes from offset 0; bytes in `missing`, ranges (first, byte after the last), were not in the
    source and stand as 0; those in `redacted`, which are among them, were taken out of it on purpose. `ids` is (vendor,
    device) by the kernel, which differs from the bytes for an SR-IOV virtual function: those read ffff. `title` is
    lspci's name for the function. What is unknown is "", None or empty. `host` is what the host says of it, in a
    capture that `vpci-compile capture` made. `diagnostics` holds the warnings of reading it; `dump` says on which lines
    of `origin.source` the bytes stand.
    """

    slot: str
    name: str
    data: bytes
    missing: tuple[tuple[int, int], ...] = ()
    redacted: tuple[tuple[int, int], ...] = ()
    bars: tuple[BarFact, ...] = ()
    driver: str = ""
    title: str = ""
    ids: tuple[int, int] | None = None
    host: HostFacts | None = None
    origin: Span = field(default_factory=lambda: whole_file(""), compare=False)
    dump: tuple[Run, ...] = field(default=(), compare=False)
    diagnostics: tuple[Diagnostic, ...] = field(default=(), compare=False)

    @property
    def virtual(self) -> bool:
        """Whether it is an SR-IOV virtual function, whose own ids read ffff (PCIe 6.0 9.3.4.1.1)."""
        return self.data[:4] == b"\xff" * 4 and not self.blank

    @property
    def blank(self) -> bool:
        """Whether every byte reads as ones, as for a function that does not answer."""
        return self.data.count(0xFF) == len(self.data)

    @property
    def label(self) -> str:
        """How to name it in a sentence: its slot, or its file."""
        return self.slot or self.name

    def covers(self, offset: int) -> bool:
        """Whether the byte at `offset` was read."""
        return offset < len(self.data) and not any(first <= offset < end for first, end in self.missing)

    def place(self, offset: int) -> Span:
        """Where the byte at `offset` stands in the text; the capture's own place when it is not from a text."""
        for run in self.dump:
            row, column = divmod(offset - run.offset, 16)
            if 0 <= row < run.rows:
                return byte_span(self.origin.source, run.line + row, column)
        return self.origin


@dataclass(frozen=True, slots=True)
class Captures:
    """All functions of a file, and what is to be said of it: errors of single functions included."""

    captures: tuple[Capture, ...]
    diagnostics: tuple[Diagnostic, ...]


class Draft:
    """A function while it is read. Rows may come in any order; `report` collects what is wrong with this one."""

    __slots__ = (
        "bars",
        "data",
        "driver",
        "dump",
        "host",
        "ids",
        "known",
        "origin",
        "redacted",
        "report",
        "slot",
        "title",
    )

    def __init__(self, slot: str, origin: Span, title: str = "") -> None:
        self.slot = slot
        self.origin = origin
        self.title = title
        self.data = bytearray()
        self.known = bytearray()  # 1 for each byte of `data` that was given
        self.dump: list[list[int]] = []  # offset, line, rows of each Run
        self.redacted: list[tuple[int, int]] = []
        self.bars: list[BarFact] = []
        self.driver = ""
        self.ids: tuple[int, int] | None = None
        self.host: HostFacts | None = None
        self.report = Report()

    def put(self, offset: int, octets: bytes) -> int | None:
        """Take `octets` at `offset`; the first offset where they contradict an earlier row, if they do."""
        gap = offset - len(self.data)
        if gap == 0:
            self.data += octets
            self.known += b"\1" * len(octets)
            return None
        if gap > 0:
            self.data += bytes(gap)
            self.known += bytes(gap)
        for at, value in enumerate(octets[: max(0, -gap)], offset):
            if self.known[at] and self.data[at] != value:
                return at
            self.data[at], self.known[at] = value, 1
        rest = octets[max(0, -gap) :]
        self.data += rest
        self.known += b"\1" * len(rest)
        return None

    def redact(self, first: int, end: int) -> None:
        """Take the bytes of a range for unknown: somebody took them out."""
        end = min(end, len(self.data))
        if first < end:
            self.data[first:end] = bytes(end - first)
            self.known[first:end] = bytes(end - first)
            self.redacted.append((first, end))

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """The ranges (first, byte after the last) of `data` that were not given."""
        return tuple((hole.start(), hole.end()) for hole in re.finditer(b"\0+", self.known))

    def finish(self, name: str, diagnostics: Iterable[Diagnostic]) -> Capture:
        """The capture, as read from the file `name`; a dword that was cut off is whole, and the rest of it missing."""
        length, rest = len(self.data), -len(self.data) % 4
        return Capture(
            slot=self.slot,
            name=name,
            data=bytes(self.data) + bytes(rest),
            missing=(*self.missing, *([(length, length + rest)] if rest else [])),
            redacted=tuple(self.redacted),
            bars=tuple(self.bars),
            driver=self.driver,
            title=self.title,
            ids=self.ids,
            host=self.host,
            origin=self.origin,
            dump=tuple(Run(*run) for run in self.dump),
            diagnostics=tuple(diagnostics),
        )


def full_slot(text: str) -> tuple[str, bool] | None:
    """`text` as a slot in its long form "0000:3d:00.0", and whether it named a domain; None when it is no slot."""
    match = _SLOT.fullmatch(text.strip())
    if match is None:
        return None
    domain, bus, device, function = match.groups()
    if int(device, 16) > 0x1F:
        return None
    return f"{int(domain or '0', 16):04x}:{int(bus, 16):02x}:{int(device, 16):02x}.{function}", domain is not None


def byte_span(source: Source, line: int, column: int) -> Span:
    """The span of the byte number `column` (from 0) of a hex row."""
    _, colon, rest = source.line(line).partition(":")
    tokens = list(re.finditer(r"[^\s\",]+", rest)) if colon else []
    if column >= len(tokens):
        return Span(source, line, 1, 0)
    start = len(source.line(line)) - len(rest)
    return Span(source, line, start + tokens[column].start() + 1, len(tokens[column].group()))
