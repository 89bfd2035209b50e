"""What lspci prints for a configuration header, written from the catalogue's fields."""

from __future__ import annotations

from collections.abc import Iterator

from . import lspci
from .reader import Reader
from .say import say

ONE_AHEAD = (3, 15, 0)  # this lspci calls INTA "pin B"

COMMAND = (
    "I/O=io Mem=memory BusMaster=master SpecCycle=special MemWINV=invalidate VGASnoop=vga_palette ParErr=parity "
    "Stepping=wait SERR=serr FastB2B=fast_back DisINTx=intx_disable"
)
ABORTS = ">TAbort=sig_target_abort <TAbort=rec_target_abort <MAbort=rec_master_abort"


def bars(r: Reader, count: int) -> Iterator[str]:
    """The BARs, of which the upper half of a 64-bit one is no BAR of its own."""
    number = 0
    while number < count:
        bar = f"bar{number}"
        io = r[f"{bar}.space"]
        wide = not io and r.shown(f"{bar}.type") == "64-bit"
        if r[bar] not in (0, 0xFFFFFFFF):
            high = r[f"bar{number + 1}"] if wide else 0
            low = f"{r[bar] & ~3:04x}" if io else r.shown(f"{bar}.address")
            used = int(low, 16) or (io and r["command.io"])
            address = f"{high:x}{low}" if high else low if used else "<unassigned>"
            kind = "prefetchable" if r[f"{bar}.prefetchable"] else "non-prefetchable"
            yield f"Region {number}: {'I/O ports' if io else 'Memory'} at {address}"
            yield "" if io else f"({r.shown(f'{bar}.type')}, {kind})"
            yield "[disabled]" * (not r["command.io" if io else "command.memory"])
        number += 2 if wide else 1


def halves(r: Reader, count: int) -> list[int]:
    """The numbers of the upper halves of 64-bit BARs."""
    found: list[int] = []
    for number in range(count - 1):
        wide = not r[f"bar{number}.space"] and r.shown(f"bar{number}.type") == "64-bit"
        if number not in found and wide and r[f"bar{number}"] != 0xFFFFFFFF:
            found.append(number + 1)
    return found


def rom(r: Reader) -> Iterator[str]:
    if r["rom"] == 0xFFFFFFFF:
        yield "Expansion ROM at <ignored>"
    elif r["rom"]:
        yield "Expansion ROM at " + (r.shown("rom.address") if r["rom.address"] else "<unassigned>")
        off = "" if r["command.memory"] else "[disabled by cmd]"
        yield off if r["rom.enable"] else "[disabled]"


def common(r: Reader) -> Iterator[str]:
    yield "Control: " + r.flags("command", COMMAND)
    yield "Status: " + r.flags("status", "Cap=cap_list 66MHz=mhz66 UDF=udf FastB2B=fast_back ParErr=parity")
    yield f"DEVSEL={r.shown('status.devsel')} {r.flags('status', ABORTS)}"
    yield r.flags("status", ">SERR=sig_system_error <PERR=detected_parity INTx=interrupt")
    if r["command.master"]:
        yield say(r, "Latency: {latency_timer}")
        if r.view.capability.name == "type0":
            limits = [f"{r.shown(name)} {word}" for name, word in (("min_gnt", "min"), ("max_lat", "max")) if r[name]]
            yield f"({', '.join(limits)})" if limits else ""
        if r["cache_line_size"]:
            yield say(r, ", Cache Line Size: {cache_line_size}")
    line = r["interrupt_line"]
    if r["interrupt_pin"] or (line and not r["command.intx_disable"]):
        yield f"Interrupts: {pin(r)}"
        yield "disabled" if r["command.intx_disable"] else f"routed to IRQ {line}" if line else ""
    if r["bist.capable"]:
        yield "BIST is running" if r["bist.start"] else say(r, "BIST result: {bist.code}")


def pin(r: Reader) -> str:
    if not r["interrupt_pin"]:
        return "unknown pin"
    if r["interrupt_pin"] > 4:
        return f"pin #{r['interrupt_pin']}"
    letter = r.shown("interrupt_pin")
    return f"pin {chr(ord(letter) + 1) if lspci.version() == ONE_AHEAD else letter}"


def secondary_status(r: Reader) -> Iterator[str]:
    yield "Secondary status: " + r.flags("sec_status", "66MHz=mhz66 FastB2B=fast_back ParErr=parity")
    yield f"DEVSEL={r.shown('sec_status.devsel')} {r.flags('sec_status', ABORTS)}"
    yield r.flags("sec_status", "<SERR=rec_system_error <PERR=detected_parity")


def size(first: int, last: int) -> str:
    """Like lspci, which prints 32 bits of the number."""
    length, unit = last - first + 1, 0
    while length >= 1024 and length % 1024 == 0 and unit < 4:
        length, unit = length // 1024, unit + 1
    return f"[size={length & 0xFFFFFFFF}{['', 'K', 'M', 'G', 'T'][unit]}]"


def window(title: str, first: str, last: str, width: str) -> str:
    low, high = int(first, 16), int(last, 16)
    return f"{title}: {first}-{last} {size(low, high) if low <= high else '[disabled]'} [{width}]"


def type0(r: Reader) -> Iterator[str]:
    yield say(r, "Subsystem: {subsystem_vendor}:{subsystem}") if r["subsystem_vendor"] not in (0, 0xFFFF) else ""
    yield from common(r)
    yield from bars(r, 6)
    yield from rom(r)


def type1(r: Reader) -> Iterator[str]:
    yield from common(r)
    yield from bars(r, 2)
    yield say(r, "Bus: primary={primary_bus}, secondary={secondary_bus}, subordinate={subordinate_bus}")
    yield say(r, ", sec-latency={sec_latency_timer}")
    wide = r["io_base.type"] == 1
    first, last = r.shown("io_base.address"), r.shown("io_limit.address")
    if wide:
        first, last = r.shown("io_base_upper16") + first, r.shown("io_limit_upper16") + last
    yield window("I/O behind bridge", first, last, r.shown("io_base.type"))
    yield window("Memory behind bridge", r.shown("memory_base.address"), r.shown("memory_limit.address"), "32-bit")
    first, last = r.shown("pref_memory_base.address"), r.shown("pref_memory_limit.address")
    if r["pref_memory_base.type"] == 1:
        first, last = r.shown("pref_base_upper32") + first, r.shown("pref_limit_upper32") + last
    yield window("Prefetchable memory behind bridge", first, last, r.shown("pref_memory_base.type"))
    yield from secondary_status(r)
    yield from rom(r)
    yield "BridgeCtl: " + r.flags("bridge_control", "Parity=parity SERR=serr NoISA=isa VGA=vga VGA16=vga16")
    yield r.flags("bridge_control", "MAbort=master_abort >Reset=bus_reset FastB2B=fast_back")
    yield r.flags("bridge_control", "PriDiscTmr=pri_discard_timer SecDiscTmr=sec_discard_timer")
    yield r.flags("bridge_control", "DiscTmrStat=discard_timer_status DiscTmrSERREn=discard_timer_serr")


def type2(r: Reader) -> Iterator[str]:
    yield say(r, "Subsystem: {subsystem_vendor}:{subsystem}") if r["subsystem_vendor"] not in (0, 0xFFFF) else ""
    yield from common(r)
    yield say(r, "Region 0: Memory at {bar0} (32-bit, non-prefetchable)") if r["bar0"] else ""
    yield "[disabled]" * bool(r["bar0"] and not r["command.memory"])
    yield say(r, "Bus: primary={primary_bus}, secondary={card_bus}, subordinate={subordinate_bus}")
    yield say(r, ", sec-latency={card_latency_timer}")
    for i in (0, 1):
        yield say(r, f"Memory window {i}: {{memory_base{i}.address}}-{{memory_limit{i}.address}}")
        yield "[disabled]" * (not r["command.memory"]) + " (prefetchable)" * r[f"bridge_control.prefetch_mem{i}"]
    for i in (0, 1):
        high = f"{{io_base{i}_hi}}", f"{{io_limit{i}_hi}}"
        first, last = high if r[f"io_base{i}.type"] & 1 else ("0000", "0000")
        yield say(r, f"I/O window {i}: {first}{{io_base{i}.address}}-{last}{{io_limit{i}.address}}")
        yield "[disabled]" * (not r["command.io"])
    yield "Secondary status: SERR" * r["sec_status.rec_system_error"]
    yield "BridgeCtl: " + r.flags("bridge_control", "Parity=parity SERR=serr ISA=isa VGA=vga MAbort=master_abort")
    yield r.flags("bridge_control", ">Reset=cb_reset 16bInt=int_16bit PostWrite=post_writes")
    if r["legacy_mode_base"] & 0xFFFF:
        yield f"16-bit legacy interface ports at {r['legacy_mode_base'] & 0xFFFF:04x}"
