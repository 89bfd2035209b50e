"""What real software showed, against what is predicted: bit by bit, but for what nobody can predict."""

from __future__ import annotations

from collections.abc import Iterator

from vpci_compile.ir import ConfigSpace

from .hardware import EXPRESS, PM, standard_chain
from .rig import Observed

_COMMAND, _BARS, _BARS_END, _ROM, _ROM_END = 0x04, 0x10, 0x28, 0x30, 0x34


def masked(seen: Observed, *, nested: bool) -> bytes:
    """The bits that are compared."""
    state = seen.state
    mask = bytearray(b"\xff" * len(state))
    mask[_COMMAND : _COMMAND + 2] = b"\0\0"  # who decodes, and who is master, is Linux's own business at the time
    if not nested:  # the addresses are Linux's own business, too; where it found no room it shows nothing at all
        mask[_ROM:_ROM_END] = bytes(_ROM_END - _ROM)
        mask[_BARS:_BARS_END] = bytes(_BARS_END - _BARS)
    for at, own in standard_chain(state):
        if own == PM and at + 4 < len(mask):
            mask[at + 4] &= ~0x03  # the power state: it may be asleep below, and awake above
    return bytes(mask)


def differences(config: ConfigSpace, seen: Observed, *, nested: bool = False) -> list[str]:
    """Every dword that is not as predicted; `config` was predicted from `seen.state`."""
    return list(_differences(config, seen, masked(seen, nested=nested)))


def _differences(config: ConfigSpace, seen: Observed, mask: bytes) -> Iterator[str]:
    size = min(config.size, len(seen.space))
    # Behind a space of 256 bytes an ECAM reads ones.
    if seen.space[size:].strip(b"\xff") or config.size > len(seen.space):
        yield f"{len(seen.space):#x} bytes are there, {config.size:#x} are predicted"
    compared = mask[:size].ljust(size, b"\xff")
    for what, shown in (("dwords", seen.space), ("words", seen.by_word), ("bytes", seen.by_byte)):
        if shown:
            yield from _dwords(f"read in {what}", config.value[:size], shown[:size], compared, seen)
    tried = bytes(a & b for a, b in zip(seen.tried[:size].ljust(size, b"\0"), compared, strict=True))
    followed = bytes(
        own & write | ~own & passed & 0xFF
        for own, write, passed in zip(config.emulated, config.writable, config.forwarded, strict=True)
    )
    yield from _dwords("followed a write", followed[:size], seen.writable[:size].ljust(size, b"\0"), tried, seen)
    passed_on = bytearray(tried)
    for at, own in standard_chain(seen.state):
        if own == EXPRESS and at + 9 < size:
            passed_on[at + 9] &= ~0x70  # the read request size arrives corrected: no smaller than a payload, no 8 KiB
    yield from _dwords("reached the function", config.forwarded[:size], seen.forwarded[:size], bytes(passed_on), seen)


def _dwords(what: str, wanted: bytes, found: bytes, compared: bytes, seen: Observed) -> Iterator[str]:
    for at in range(0, len(wanted), 4):
        mask = int.from_bytes(compared[at : at + 4], "little")
        one, other, own = (int.from_bytes(octets[at : at + 4], "little") for octets in (wanted, found, seen.state))
        if (one ^ other) & mask:
            yield f"{at:#05x} {what}: {one & mask:08x} predicted, {other & mask:08x} found (the function has {own:08x})"
