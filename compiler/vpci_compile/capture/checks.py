"""What is odd about bytes that were read: cut off, unanswered, or read without root."""

from __future__ import annotations

from . import chains
from .model import CONVENTIONAL_BYTES, HEADER_BYTES, MAX_SPACE, Draft

_PCI_EXPRESS = 0x10
_WHOLE = (HEADER_BYTES, CONVENTIONAL_BYTES, MAX_SPACE)
_MAX_GAPS = 5


def is_header(data: bytes | bytearray) -> bool:
    """Whether the header type is one that exists (0, 1, 2), or nothing answers (all ones)."""
    return data[0x0E] & 0x7F <= chains.CARDBUS or data.count(0xFF) == len(data)


def check(draft: Draft) -> None:
    """Report what is wrong (errors) and what is missing (warnings) in a function's bytes."""
    size = len(draft.data)
    report = draft.report
    if report.failed:
        return
    if size > MAX_SPACE:
        report.add("VPCI1711", draft.origin, f"configuration space of more than {MAX_SPACE} bytes")
    elif size < HEADER_BYTES or 0 in draft.known[:HEADER_BYTES]:
        read = draft.known[:HEADER_BYTES].count(1)
        message = f"configuration space starts with a header of {HEADER_BYTES} bytes; here are {read} of them"
        report.add("VPCI1711", draft.origin, message, help="capture the function again, whole")
    else:
        _holes(draft)
        if _answers(draft):
            _ids(draft)
            _reach(draft)


def _holes(draft: Draft) -> None:
    place = draft.finish("", ()).place
    if draft.redacted:
        ranges = ", ".join(f"{first:#x}..{end - 1:#x}" for first, end in draft.redacted[:_MAX_GAPS])
        more = f" and {len(draft.redacted) - _MAX_GAPS} more" if len(draft.redacted) > _MAX_GAPS else ""
        message = f"bytes were taken out of the capture: {ranges}{more}"
        draft.report.add("VPCI1718", draft.origin, message, help="where they matter, capture without --redact")
    gaps = [gap for gap in draft.missing if not _redacted(draft, gap)]
    for first, end in gaps[:_MAX_GAPS]:
        draft.report.add(
            "VPCI1705",
            place(end),
            f"bytes {first:#x}..{end - 1:#x} are missing before this row",
            help="capture the function again; what is missing is not in the layout",
        )
    size = len(draft.data)
    if size not in _WHOLE:
        draft.report.add(
            "VPCI1705",
            place(size - 1),
            f"configuration space ends after {size} bytes",
            note=f"most functions have {CONVENTIONAL_BYTES} or {MAX_SPACE} bytes; a few have less, by design",
        )


def _redacted(draft: Draft, gap: tuple[int, int]) -> bool:
    """Whether every byte of a gap was taken out on purpose."""
    return all(any(first <= at < end for first, end in draft.redacted) for at in range(*gap))


def _answers(draft: Draft) -> bool:
    first = draft.data[0]
    if first in (0, 0xFF) and draft.data.count(first) == len(draft.data):
        draft.report.add(
            "VPCI1708",
            draft.origin,
            f"every byte reads {first:#04x}: the function did not answer",
            help="it was off, in D3cold, or behind a link that is down; wake it up ('echo on' into power/control)",
        )
        return False
    if not is_header(draft.data):
        message = f"header type is {draft.data[0x0E]:#04x}; only 0, 1 and 2 exist"
        draft.report.add("VPCI1713", draft.origin, message)
    return True


def _ids(draft: Draft) -> None:
    """Bytes 0..3 against what the kernel says. A virtual function reads ffff there by rule: PCIe 6.0 9.3.4.1.1."""
    found = (int.from_bytes(draft.data[0:2], "little"), int.from_bytes(draft.data[2:4], "little"))
    if draft.ids is not None and draft.ids != found and found != (0xFFFF, 0xFFFF):
        draft.report.add(
            "VPCI1709",
            draft.origin,
            f"bytes say {found[0]:04x}:{found[1]:04x}, the words beside them {draft.ids[0]:04x}:{draft.ids[1]:04x}",
            help="is the capture put together from two functions?",
        )


def _reach(draft: Draft) -> None:
    data = bytes(draft.data)
    at = draft.slot or "SLOT"
    how = f"read it as root: lspci -xxxx -s {at}, or cat /sys/bus/pci/devices/{at}/config"
    if len(data) == HEADER_BYTES:
        caps = "there are capabilities behind it" if data[0x06] & chains.STATUS_CAP_LIST else "it lists no capabilities"
        message = f"only the {HEADER_BYTES}-byte header was read; {caps}"
        draft.report.add("VPCI1706", draft.origin, message, help=how)
        return
    if not any(link.id == _PCI_EXPRESS for link in chains.standard(data).links):
        if _is_alias(data):
            draft.report.add(
                "VPCI1714",
                draft.origin,
                f"the extended space repeats the first {CONVENTIONAL_BYTES} bytes: the function has no more than these",
                help=f"import its first {CONVENTIONAL_BYTES} bytes alone ('lspci -xxx')",
            )
        return
    extended = data[CONVENTIONAL_BYTES:]
    if len(data) == CONVENTIONAL_BYTES:
        message = f"a PCI Express function has {MAX_SPACE} bytes; only {CONVENTIONAL_BYTES} were read"
        draft.report.add("VPCI1707", draft.origin, message, help=how)
    elif extended and extended.count(0xFF) == len(extended):
        message = "the extended space of a PCI Express function reads as ones: nothing answered there"
        draft.report.add("VPCI1707", draft.origin, message, help="is ECAM (MMCONFIG) enabled on that machine?")


def _is_alias(data: bytes) -> bool:
    """Whether the ids stand at each multiple of 256: an old bridge drops the upper address bits.

    The rule is that of Linux, drivers/pci/probe.c, pci_ext_cfg_is_aliased.
    """
    copies = range(CONVENTIONAL_BYTES, len(data) - 3, CONVENTIONAL_BYTES)
    return len(copies) > 0 and all(data[at : at + 4] == data[:4] for at in copies)
