"""Reading a capture, in whatever form it comes: a capture file, lspci text, a sysfs device folder, raw bytes.

`read` gives one function and refuses to guess which; `read_all` gives every function of a dump.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..diagnostics import Failed, Report, Source, Span, failure, whole_file
from ..loader import open_to_read, unreadable
from . import host_file, lspci_text, sysfs
from .checks import check, is_header
from .model import HEADER_BYTES, MAX_SPACE, Capture, Captures, Draft, full_slot

MAX_FILE = 32 << 20  # bytes: `lspci -vvv -xxxx` of a machine with 1,500 functions
MAX_LISTED = 20

_FORMS = (
    "a capture is what 'vpci-compile capture' writes, 'lspci -xxxx' text (as root), a device folder of "
    "/sys/bus/pci/devices, or its 'config' file as it is"
)

_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*(?:"[ -~]|\}|\Z)')


def read(path: Path, slot: str | None = None, shown: str | None = None) -> Capture:
    """The function at `slot` ("3d:00.0", "0000:3d:00.0") in a capture; the only one when `slot` is None.

    `shown` is how messages name `path`. Warnings are in the result's `diagnostics`.

    Raises:
        Failed: VPCI1001 (unreadable), VPCI1701 (not a capture), VPCI1702 (no such slot), VPCI1703 (which one?),
            VPCI1704 (damaged row), VPCI1710 (too large), VPCI1711 (impossible size), VPCI1715..1717 (damaged file).
    """
    shown = shown or str(path)
    wanted = _wanted(slot, shown)
    drafts, report = _drafts(path, shown)
    if report.failed:
        raise Failed(report.sorted())
    draft = _choose(drafts, slot, wanted, shown)
    check(draft)
    draft.report.stop_on_errors()
    return draft.finish(_name(shown), draft.report.sorted())


def read_all(path: Path, shown: str | None = None) -> Captures:
    """Every function of a capture, in its order; a function with errors is left out and its errors are kept."""
    shown = shown or str(path)
    return _all(lambda: _drafts(path, shown), shown)


def read_all_bytes(data: bytes, shown: str) -> Captures:
    """The same of what stands in a file, which messages call `shown`."""
    return _all(lambda: _from_bytes(data, shown), shown)


def _all(read_drafts: Callable[[], tuple[list[Draft], Report]], shown: str) -> Captures:
    try:
        drafts, report = read_drafts()
    except Failed as failed:
        return Captures((), failed.diagnostics)
    captures: list[Capture] = []
    diagnostics = report.sorted()
    for draft in drafts:
        check(draft)
        found = draft.report.sorted()
        diagnostics.extend(found)
        if not draft.report.failed:
            captures.append(draft.finish(_name(shown), found))
    return Captures(tuple(captures), tuple(diagnostics))


def _name(shown: str) -> str:
    return shown.rstrip("/").rpartition("/")[2] or shown


# -- which function ------------------------------------------------------------------------------------------------


def _wanted(slot: str | None, shown: str) -> tuple[str, bool] | None:
    if slot is None:
        return None
    named = full_slot(slot)
    if named is None:
        message = f"'{slot}' is not a slot"
        raise failure("VPCI1702", whole_file(shown), message, help="write it as lspci does: 3d:00.0 or 0000:3d:00.0")
    return named


def _choose(drafts: list[Draft], slot: str | None, wanted: tuple[str, bool] | None, shown: str) -> Draft:
    chosen = drafts
    if wanted is not None:
        full, with_domain = wanted
        short = full.partition(":")[2]
        chosen = [d for d in drafts if d.slot == full or (not with_domain and d.slot.partition(":")[2] == short)]
        if not chosen and len(drafts) == 1 and not drafts[0].slot:
            drafts[0].slot = full  # the capture does not say where it was; the user does
            chosen = drafts
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        raise failure("VPCI1702", whole_file(shown), f"no function at '{slot}' in this capture", help=_listed(drafts))
    if len({draft.slot for draft in chosen}) > 1:
        what = f"{len(chosen)} functions" + (f" at '{slot}', in different domains" if slot else "")
        raise failure("VPCI1703", whole_file(shown), f"the capture holds {what}; choose one", help=_listed(chosen))
    named = chosen[0].slot
    raise failure(
        "VPCI1703",
        chosen[1].origin,
        f"{named} stands in the capture {len(chosen)} times, with other bytes"
        if named
        else f"the capture holds {len(chosen)} functions that say no slot",
        labels=[(chosen[0].origin, "first here")],
        help="read the wanted one from a file or folder of its own",
    )


def _listed(drafts: list[Draft]) -> str:
    slots = list(dict.fromkeys(draft.slot for draft in drafts if draft.slot))
    if not slots:
        return "no function here says its slot; read the wanted one from a file or folder of its own"
    more = f" and {len(slots) - MAX_LISTED} more" if len(slots) > MAX_LISTED else ""
    return f"choose with --slot: {', '.join(slots[:MAX_LISTED])}{more}"


def _merged(drafts: list[Draft]) -> list[Draft]:
    """Functions that have bytes. A log often lists a slot twice, in words and in bytes: then the words go to the bytes.

    Of two dumps of one slot that agree as far as both go, the longer one is kept.
    """
    groups: dict[str, list[Draft]] = {}
    for number, draft in enumerate(drafts):
        groups.setdefault(draft.slot or f"#{number}", []).append(draft)
    kept: list[Draft] = []
    for group in groups.values():
        dumps = [draft for draft in group if draft.data or draft.report.failed]
        if not dumps:
            continue
        longest = max(dumps, key=lambda draft: len(draft.data))
        alike = [draft for draft in dumps if draft is longest or not _prefix(draft, longest)]
        words = [draft for draft in group if not draft.data]
        for draft in alike if words else ():
            draft.bars = draft.bars or next((other.bars for other in words if other.bars), [])
            draft.driver = draft.driver or next((other.driver for other in words if other.driver), "")
            draft.ids = draft.ids or next((other.ids for other in words if other.ids), None)
            draft.title = draft.title or next((other.title for other in words if other.title), "")
        kept.extend(alike)
    return kept


def _prefix(short: Draft, long: Draft) -> bool:
    return not short.report.failed and not short.missing and long.data.startswith(short.data)


# -- which form ----------------------------------------------------------------------------------------------------


def _drafts(path: Path, shown: str) -> tuple[list[Draft], Report]:
    """The functions at `path`, at least one, each with its bytes."""
    try:
        if path.is_dir():
            return _from_folder(path, shown)
        if path.name == "config" and (path.parent / "resource").exists():
            return [sysfs.read_device(path.parent, shown.rpartition("/")[0] or ".")], Report()
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise unreadable(shown, error) from None
    if size > MAX_FILE:
        raise _too_large(shown, size)
    try:
        with open_to_read(path) as stream:
            data = stream.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise unreadable(shown, error) from None
    if len(data) > MAX_FILE:
        raise _too_large(shown, None)
    return _from_bytes(data, shown)


def _too_large(shown: str, size: int | None) -> Failed:
    message = "file is larger than" if size is None else f"file has {size:,} bytes, more than"
    return failure("VPCI1710", whole_file(shown), f"{message} {MAX_FILE >> 20} MiB", help=_FORMS)


def _from_folder(path: Path, shown: str) -> tuple[list[Draft], Report]:
    if sysfs.is_device(path):
        return [sysfs.read_device(path, shown)], Report()
    drafts = [
        sysfs.try_device(folder, f"{shown.rstrip('/')}/{folder.name}")
        for folder in sysfs.devices(path, lspci_text.MAX_FUNCTIONS)
    ]
    if not drafts:
        message = f"folder '{shown}' holds no 'config' file, nor do the folders in it"
        raise failure("VPCI1701", whole_file(shown), message, help=_FORMS)
    return drafts, Report()


def _from_bytes(data: bytes, shown: str) -> tuple[list[Draft], Report]:
    if not data:
        raise failure("VPCI1701", whole_file(shown), "file is empty", help=_FORMS)
    if _JSON.match(data):
        return _from_file(data, shown)
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff") and len(data) % 2 == 0 and b"\0" in data[2:64]
    if utf16:
        text = lspci_text.decode(data)
        if lspci_text.is_dump(text.encode("utf-8", "replace")):
            return _from_text(Source(shown, text))
    elif lspci_text.is_dump(data):
        return _from_text(Source(shown, lspci_text.decode(data)))
    if _is_text(data):
        raise _no_bytes(data.decode("utf-8", "replace"), shown)
    draft = Draft("", whole_file(shown))
    if not HEADER_BYTES <= len(data) <= MAX_SPACE:
        message = f"file has {len(data):,} bytes; a configuration space has {HEADER_BYTES} to {MAX_SPACE}"
        raise failure("VPCI1711", draft.origin, message, help=_FORMS)
    draft.put(0, data)
    if not is_header(data):
        raise failure(
            "VPCI1701",
            draft.origin,
            f"byte 0xe, the header type, is {data[0x0E]:#04x}: these are not the bytes of a configuration space",
            note="PCIe 6.0 7.5.1.1.9: the low seven bits are 0 (device), 1 (bridge) or 2 (CardBus bridge)",
            help=_FORMS,
        )
    return [draft], Report()


def _from_file(data: bytes, shown: str) -> tuple[list[Draft], Report]:
    """The functions of a capture file."""
    drafts = host_file.drafts(Source(shown, lspci_text.decode(data)))
    if not drafts:
        raise failure("VPCI1701", whole_file(shown), "the capture holds no function")
    return drafts, Report()


def _from_text(source: Source) -> tuple[list[Draft], Report]:
    drafts, report = lspci_text.parse(source)
    kept = _merged(drafts)
    if not kept and not report.failed:
        raise failure("VPCI1701", Span(source, 1, 1, 0), "no row of bytes belongs to a function", help=_FORMS)
    return kept, report


def _is_text(data: bytes) -> bool:
    """Whether a person could have written it. A configuration space has control characters: its header type is one."""
    start = data[:65_536]
    printable = bytes(range(0x20, 0x7F)) + b"\t\n\r\f\x1b"
    rest = start.translate(None, printable)
    return len(rest) * 3 < len(start) and (not rest or min(rest) >= 0x80)


def _no_bytes(text: str, shown: str) -> Failed:
    if lspci_text.has_slots(text):
        message, way_out = "lspci text without bytes: run lspci with -xxxx", "run as root: lspci -vv -xxxx > FILE"
    elif text.lstrip().startswith(("vpci:", "#")) and "\nvpci:" in f"\n{text}":
        message, way_out = "this is a layout, not a capture", "compile it with 'vpci-compile build'"
    else:
        message, way_out = "text without rows of bytes ('00: 86 80 ...') is not a capture", _FORMS
    return failure("VPCI1701", whole_file(shown), message, help=way_out)
