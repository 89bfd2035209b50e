"""The two structures that QEMU's vfio-pci builds itself, PASID and GPUDirect, and what it lets one say of them."""

from __future__ import annotations

from ...diagnostics import Span
from ...ir import Kind, Origin, Structure
from ...stack.qemu.facts import release
from .facts import Case

_EXEC, _PRIV, _WIDTH_SHIFT, _WIDTH = 0x2, 0x4, 8, 0x1F
_FIRST, _LAST = 0x100, 0xFF8
_GPUDIRECT_BYTES = 8
_P2P = b"P2P"


def check_pasid(case: Case, structure: Structure) -> None:
    """A synthesized PASID capability (`x-vpasid-cap-offset`; hw/pci/pcie.c pcie_insert_capability).

    Reports VPCI1811 (release) and VPCI1812 (what QEMU builds otherwise).
    """
    offset, origin = structure.offset, structure.origin
    case.demand("x-vpasid-cap-offset", origin, "synthesize a PASID capability")

    def refuse(span: Span, message: str, note: str | tuple[()] = (), way_out: str | tuple[()] = ()) -> None:
        case.report.add("VPCI1812", span, message, note=note, help=way_out)

    if structure.length != case.qemu.pasid_length:
        refuse(origin, f"a PASID capability of {structure.length} bytes: QEMU's has {case.qemu.pasid_length}")
    if structure.version != case.qemu.pasid_version:
        refuse(origin, f"PASID version {structure.version}: QEMU's is {case.qemu.pasid_version}", (), "version: 1")
    if offset % 4 or not _FIRST <= offset <= _LAST:
        law = f"QEMU takes {_FIRST:#x}..{_LAST:#x} in steps of 4"
        refuse(origin, f"QEMU cannot place PASID at {offset:#x}", law, f"at: {_LAST:#x}")
    _check_pasid_values(case, structure)
    _check_pasid_chain(case, structure)


def pasid_values(case: Case, structure: Structure) -> tuple[int, bool, bool]:
    """(width in bits, execute, privileged) of a PASID capability."""
    word = case.number(structure.offset + 4, 2)
    return word >> _WIDTH_SHIFT & _WIDTH, bool(word & _EXEC), bool(word & _PRIV)


def _check_pasid_values(case: Case, structure: Structure) -> None:
    word, control = (case.number(structure.offset + at, 2) for at in (4, 6))
    width, widest = word >> _WIDTH_SHIFT & _WIDTH, case.qemu.pasid_widest
    if not 0 < width <= widest:
        case.report.add(
            "VPCI1812",
            structure.origin_of("cap", "max_width"),
            f"PASID width {width}: QEMU shows what the host's kernel reports, 1..{widest}",
            help=f"max_width: {widest}",
        )
    rest = word & ~(_WIDTH << _WIDTH_SHIFT | _EXEC | _PRIV)
    if rest:
        case.report.add(
            "VPCI1812",
            structure.origin_of("cap", ""),
            f"reserved bits {rest:#06x} of the PASID capability register are set: QEMU shows them as 0",
        )
    if control:
        case.report.add(
            "VPCI1812",
            structure.origin_of("ctrl", ""),
            f"PASID control {control:#06x}: QEMU's starts at 0",
            note="the guest enables PASID; no release of QEMU starts with a bit of the register set",
            help="leave 'ctrl' out",
        )


def _check_pasid_chain(case: Case, structure: Structure) -> None:
    chain = case.extended_chain()
    starts = {
        s.offset: s for s in case.function.structures if s.kind is Kind.EXTENDED and s.source is Origin.COPIED
    }  # fmt: skip
    others = [offset for offset in chain if offset != structure.offset]
    if not case.qemu_walks or not any(offset in starts for offset in others):
        case.report.add(
            "VPCI1812",
            structure.origin,
            "QEMU adds PASID to an extended chain that the device has, and this one has nothing in it",
            note="without a visible capability at or after 0x100 QEMU leaves the extended space alone",
        )
    elif structure.offset in chain:
        after = next((at for at, other in enumerate(others) if other > structure.offset), len(others))
        if chain.index(structure.offset) != after:
            place = f"before {others[after]:#x}" if after < len(others) else "at the end"
            case.report.add(
                "VPCI1812",
                structure.origin,
                f"QEMU links PASID {place} of the extended chain, the layout does not",
                note="QEMU inserts it before the first structure of the chain that stands at a higher offset",
                help=f"let it be number {after + 1} under 'extended'",
            )


def check_gpudirect(case: Case, structure: Structure) -> None:
    """A synthesized GPUDirect P2P clique capability (`x-nv-gpudirect-clique`; hw/vfio/pci-quirks.c).

    Reports VPCI1813; VPCI1811 where only a newer release takes the offset.
    """
    origin, offset, qemu = structure.origin, structure.offset, case.qemu
    case.demand("x-nv-gpudirect-clique", origin, "synthesize a GPUDirect capability")

    def refuse(span: Span, message: str, note: str | tuple[()] = (), way_out: str | tuple[()] = ()) -> None:
        case.report.add("VPCI1813", span, message, note=note, help=way_out)

    vendor, base_class = case.number(0, 2), case.number(0x0B, 1)
    if vendor != qemu.gpudirect_vendor or base_class != qemu.gpudirect_base_class:
        law = f"QEMU adds it to display controllers (class 0x03) of vendor {qemu.gpudirect_vendor:#x}"
        refuse(origin, f"no GPUDirect capability for vendor {vendor:#06x}, base class {base_class:#04x}", law)
    place = gpudirect_place(case)
    if place is None:
        law = "the device has capabilities at all places that QEMU knows for it"
        refuse(origin, "QEMU finds no place for the GPUDirect capability", law)
    else:
        where, since = place
        if offset != where:
            law = "QEMU takes 0xc8, or 0xd4 where a capability of the device starts at 0xc8"
            refuse(origin, f"GPUDirect at {offset:#x}: QEMU places it at {where:#x}", law, f"at: {where:#x}")
        if case.version < since:
            case.report.add(
                "VPCI1811",
                origin,
                f"{case.name} cannot place GPUDirect at {where:#x}: that needs QEMU {release(since)} or newer",
                help=f"run QEMU {release(since)} or newer, and compile for it",
            )
    following = case.number(offset + 1, 1)
    if following:
        law = "QEMU links it at the end of the standard chain"
        refuse(origin, f"GPUDirect leads on to {following:#x}: QEMU's is the last", law, "list it last")
    body = case.function.config.value[offset + 2 : offset + _GPUDIRECT_BYTES]
    word = int.from_bytes(body[4:6], "little")
    if structure.length != _GPUDIRECT_BYTES or body[:4] != bytes([_GPUDIRECT_BYTES]) + _P2P or word & ~0x78:
        law = "8 bytes: 09, next, 08, 'P2P', and a word with version 0 in bits 2..0 and the clique in bits 6..3"
        refuse(origin, f"bytes {body.hex(' ')} are not those that QEMU writes", law, "give it a clique of 0..15 alone")


def gpudirect_place(case: Case) -> tuple[int, tuple[int, int]] | None:
    """Where QEMU puts the capability, and since which release; None where it has no place left."""
    own = case.function.physical.structures if case.function.physical else ()
    rows = [(s.kind, s.id, s.offset) for s in case.function.structures if s.source is not Origin.SYNTHESIZED]
    rows += [(kind, number, offset) for kind, number, offset, _ in own]
    # What the kernel shows QEMU: Linux has unlinked its own, QEMU not yet.
    taken = {
        offset
        for kind, number, offset in rows
        if kind is Kind.STANDARD and case.hider(kind, number, offset) != "Linux vfio-pci"
    }
    return next((place for place in case.qemu.gpudirect_places if place[0] not in taken), None)
