"""`lspci -x`, `-xxx` and `-xxxx` text: one or many functions, with or without the words of `-v` between.

A function starts at a line with its slot ("3d:00.0 ...", "0000:3d:00.0 ..."); rows of bytes are "10: 00 00 c0 fe ...".
Mail quotes (`> `) and indentation before either are taken off. Words of `-v` give BAR sizes, ids and the driver.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

from ..diagnostics import Report, Source, Span
from .model import MAX_SPACE, BarFact, Draft, byte_span, full_slot

MAX_FUNCTIONS = 16_384  # more than any machine has
MAX_COMPLAINTS = 5  # of one function
MAX_RUNS = 512  # of one function: a dump in order has one
_FEWEST = 4  # octets in the first row of a function whose slot line is gone; prose has none so after a colon

_QUOTE = r"[> \t]*"
_ROW = re.compile(rf"{_QUOTE}([0-9a-fA-F]{{2,3}}):((?:[ \t]+[0-9a-fA-F]{{2}})+)\s*\Z")
_DAMAGED_ROW = re.compile(rf"{_QUOTE}([0-9a-fA-F]{{2,3}}):[ \t]+(\S.*)")
_HEAD = re.compile(r"[> ]*((?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7])(?=\s|\Z)")
_ANY_ROW = re.compile(rf"(?:\A|[\r\n]){_QUOTE}[0-9a-fA-F]{{2,3}}:(?:[ \t]+[0-9a-fA-F]{{2}}){{{_FEWEST}}}".encode())
_OCTET = re.compile(r"[0-9a-fA-F]{2}")
_IDS = re.compile(r"\[([0-9a-f]{4}):([0-9a-f]{4})\]|^[0-9a-f]{4}: ([0-9a-f]{4}):([0-9a-f]{4})\b")
_SIZE = re.compile(r"\[size=(\d{1,12})([KMGT]?)\]")
_PLACE = re.compile(r"(?:Region (\d): )?(?:\[\w{1,20}\] ?){0,4}(I/O ports|Memory|Expansion ROM) at (\S+)")
_DRIVER = re.compile(r"Kernel driver in use: (\S+)")
_OFFSETS = {f"{offset:02x}": offset for offset in range(0, MAX_SPACE, 16)}
_WHOLE = [f"{offset:02x}: " for offset in range(0, MAX_SPACE, 16)]
_SIZES = (256, 16, 4)  # rows of a dump of -xxxx, -xxx and -x
_ROW_HEX, _ROW_GAPS = (
    48,
    f"{' ' * 15}\n",
)  # sixteen times two digits and what follows them, which is every third character
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # what str.splitlines takes for one, and an editor does not


def is_dump(data: bytes) -> bool:
    """Whether a line of the file is a row of bytes."""
    return _ANY_ROW.search(data) is not None


def has_slots(text: str) -> bool:
    """Whether one of the first lines starts with a slot, as in what lspci prints without `-x`."""
    return any(_HEAD.match(line) for line in text[:65_536].splitlines())


def decode(data: bytes) -> str:
    """Text of a file in UTF-8 or, with its mark, UTF-16; what is neither becomes U+FFFD."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    text = data.decode("utf-8-sig", "replace")
    for end in _LINE_ENDS:
        if end in text:
            text = text.replace(end, " ")
    return text


def parse(source: Source) -> tuple[list[Draft], Report]:
    """The functions of a text in its order, those without bytes too; the report holds what belongs to none of them."""
    reader = _Reader(source)
    reader.run()
    return reader.drafts, reader.report


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.report = Report()
        self.drafts: list[Draft] = []
        self.draft: Draft | None = None
        self.unplaced: list[tuple[BarFact, int]] = []  # BARs of `draft` that the text gives without their number

    def run(self) -> None:
        row, offsets, from_hex = _ROW.match, _OFFSETS, bytes.fromhex
        lines = list(io.StringIO(self.source.text, newline=None))
        done = 0
        for number, line in enumerate(lines, 1):
            if number <= done:
                continue
            if len(self.drafts) > MAX_FUNCTIONS:
                span = self.drafts.pop().origin
                self.report.add("VPCI1710", span, f"file has more than {MAX_FUNCTIONS:,} functions")
                break
            if line.startswith(_WHOLE[0]):
                done = number - 1 + self._dump(number, lines)
                if done >= number:
                    continue
            offset, _, rest = line.partition(": ")
            if offset in offsets:  # a row as lspci writes it: nearly every line of a large capture
                try:
                    octets = from_hex(rest)
                except ValueError:
                    octets = b""
                if len(octets) == 16:
                    self._row(number, offsets[offset], octets)
                    continue
            found = row(line)
            if found is not None:
                self._row(number, int(found[1], 16), bytes.fromhex(found[2]))
            elif not line.isspace():
                self._words(number, line)
        self._end()

    def _start(self, draft: Draft) -> Draft:
        self._end()
        self.drafts.append(draft)
        self.draft = draft
        return draft

    def _end(self) -> None:
        if self.draft is not None and self.unplaced:
            self.draft.bars.extend(_by_address(self.draft.data, self.unplaced))
        self.unplaced = []

    # -- bytes -------------------------------------------------------------------------------------------------

    def _dump(self, number: int, lines: list[str]) -> int:
        """Take a whole dump that is just as lspci writes it, from line `number` on; its rows, 0 where it is not so."""
        for rows in _SIZES:
            found = lines[number - 1 : number - 1 + rows]
            if [line[:-_ROW_HEX] for line in found] != _WHOLE[:rows]:
                continue
            text = "".join([line[-_ROW_HEX:] for line in found])
            try:
                octets = bytes.fromhex(text)
            except ValueError:
                return 0
            if len(octets) != 16 * rows or text[2::3] != _ROW_GAPS * rows:
                return 0
            self._row(number, 0, octets)
            if self.draft is not None and self.draft.dump and self.draft.dump[-1][1] == number:
                self.draft.dump[-1][2] = rows
            return rows
        return 0

    def _row(self, number: int, offset: int, octets: bytes) -> None:
        draft = self.draft
        if draft is None or (offset == 0 and draft.data):
            # Rows that start again with no slot before them are another function, whose first line was cut away.
            if draft is None and len(octets) < _FEWEST:
                return
            draft = self._start(Draft("", Span(self.source, number, 1, 0)))
        if offset + len(octets) > MAX_SPACE:
            self._damaged(draft, number, 0, f"row {offset:#x} goes beyond {MAX_SPACE} bytes")
            return
        clash = draft.put(offset, octets)
        if clash is not None:
            column = clash - offset
            message = f"byte {clash:#x} is given twice, as {draft.data[clash]:#04x} and {octets[column]:#04x}"
            self._damaged(draft, number, column, message)
            return
        last = draft.dump[-1] if draft.dump else None
        if last and last[1] + last[2] == number and last[0] + 16 * last[2] == offset:
            last[2] += 1
        elif len(draft.dump) < MAX_RUNS:
            draft.dump.append([offset, number, 1])

    def _damaged(self, draft: Draft, number: int, column: int, message: str) -> None:
        if len(draft.report.diagnostics) < MAX_COMPLAINTS:
            span = byte_span(self.source, number, column)
            draft.report.add("VPCI1704", span, message, help="capture the function again, or mend the line")

    def _damaged_row(self, draft: Draft, number: int, offset: int, rest: str) -> None:
        tokens = re.split("[ \t]+", rest)
        good = next((n for n, token in enumerate(tokens) if not _OCTET.fullmatch(token)), len(tokens))
        # Prose can start with "dd: ": a row continues the dump, or begins with an octet at a row's place.
        if offset % 16 or not (good or offset == len(draft.data)) or not (draft.data or offset == 0):
            return
        bad = tokens[good]
        if good == len(tokens) - 1 and re.fullmatch("[0-9a-fA-F]", bad):
            if good:
                self._row(number, offset, bytes.fromhex("".join(tokens[:good])))
            if len(draft.report.diagnostics) < MAX_COMPLAINTS:
                span = byte_span(self.source, number, good)
                draft.report.add("VPCI1705", span, f"line ends in the middle of byte {offset + good:#x}")
            return
        shown = bad if len(bad) <= 20 else f"{bad[:20]}..."
        self._damaged(draft, number, good, f"'{shown}' is not a byte: two hex digits are expected")

    # -- words -------------------------------------------------------------------------------------------------

    def _words(self, number: int, line: str) -> None:
        head = _HEAD.match(line)
        if head is not None:
            named = full_slot(head[1])
            assert named is not None
            title = line[head.end() :].strip()
            span = Span(self.source, number, head.start(1) + 1, len(head[1]))
            draft = self._start(Draft(named[0], span, title))
            ids = list(_IDS.finditer(title)) if title else []
            if ids:
                vendor, device = (one for one in ids[-1].groups() if one)
                draft.ids = (int(vendor, 16), int(device, 16))
            return
        draft_or_none = self.draft
        if draft_or_none is None:
            return
        if "[size=" in line:
            self._bar(draft_or_none, number, line)
        elif "Kernel driver" in line:
            driver = _DRIVER.search(line)
            draft_or_none.driver = driver[1][:64] if driver else ""
        else:
            row = _DAMAGED_ROW.match(line.rstrip())
            if row is not None:
                self._damaged_row(draft_or_none, number, int(row[1], 16), row[2])

    def _bar(self, draft: Draft, number: int, line: str) -> None:
        place, size = _PLACE.search(line), _SIZE.search(line)
        if place is None or size is None or len(draft.bars) + len(self.unplaced) > 6:
            return
        rom = place[2] == "Expansion ROM"
        if rom and "[virtual]" in line:
            return  # the copy of a boot VGA's ROM at 0xc0000, not what the register decodes
        span = Span(self.source, number, place.start() + 1, size.end() - place.start())
        fact = BarFact(
            index=6 if rom else int(place[1] or 0),
            size=int(size[1]) << _UNITS[size[2]],
            io=place[2] == "I/O ports",
            prefetchable=not rom and "non-prefetchable" not in line and "prefetchable" in line,
            wide="(64-bit" in line,
            origin=span,
        )
        if not 0 < fact.size < 1 << 64 or fact.index > 6:
            return
        if rom or place[1]:
            if all(fact.index != other.index for other in draft.bars):
                draft.bars.append(fact)
        elif re.fullmatch("[0-9a-f]{1,16}", place[3]):
            self.unplaced.append((fact, int(place[3], 16)))


def _by_address(data: bytes | bytearray, unplaced: Iterable[tuple[BarFact, int]]) -> list[BarFact]:
    """BARs with the number of the register that holds their address: `lspci -v` leaves the number out."""
    found: list[BarFact] = []
    for fact, address in unplaced:
        for index in range(6):
            low = int.from_bytes(data[0x10 + 4 * index : 0x14 + 4 * index], "little")
            held = low & ~(3 if low & 1 else 0xF)
            if not low & 1 and low & 6 == 4:
                held |= int.from_bytes(data[0x14 + 4 * index : 0x18 + 4 * index], "little") << 32
            if low and held == address and bool(low & 1) == fact.io and all(index != f.index for f in found):
                found.append(BarFact(index, fact.size, fact.io, fact.prefetchable, fact.wide, fact.origin))
                break
    return found
