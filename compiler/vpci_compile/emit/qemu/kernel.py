"""What the kernel below QEMU makes of it: drivers that cannot migrate, fields that read as 0, chains that leak."""

from __future__ import annotations

from itertools import pairwise

from ...ir import Kind, Origin, Structure
from .facts import Case

FIRST_EXTENDED = 0x100


def check_migration(case: Case) -> None:
    """Report VPCI1811 and VPCI1828 for a function that is to migrate, in a QEMU or below a driver that cannot."""
    if not case.function.migrates:
        return
    case.demand("enable-migration", case.function.origin, "migrate a VFIO device")
    if case.driver in case.linux.without_migration:
        case.report.add(
            "VPCI1828",
            case.function.origin,
            f"the layout says that it migrates, and the driver '{case.driver}' cannot",
            note=f"Linux {case.linux.release}: it has no migration operations; QEMU then blocks the whole machine",
            help="physical: {driver: mlx5-vfio-pci} or another driver that migrates; or migrates: false",
        )


def check_read_as_zero(case: Case, structure: Structure) -> None:
    """Report VPCI1829 for fields of a copied structure that the kernel shows as 0."""
    for name, register, fields in case.linux.reads_zero:
        if structure.capability is None or structure.capability.name != name:
            continue
        set_here = [
            at
            for at in case.function.fields(structure)
            if at.register == register
            and at.field.name in fields
            and case.number(at.offset, at.place.size) & at.field.mask
        ]
        if set_here:
            names = ", ".join(at.field.name for at in set_here)
            case.report.add(
                "VPCI1829",
                set_here[0].origin,
                f"{structure.name}.{register}: a guest reads 0 for {names}",
                note=f"Linux {case.linux.release} vfio_pci_config.c (init_pci_cap_pm_perm): PME support is hidden",
                help=f"fields: {{{register}: {{{', '.join(f'{at.field.name}: 0' for at in set_here)}}}}}",
            )


def check_chains(case: Case) -> None:
    """Report VPCI1830 for a hidden structure that a guest finds after all.

    Linux unlinks by changing the pointer before a structure. The header of some is not Linux's to change: that of the
    second of two structures of one vendor-specific id without a gap (they count as one), and a hidden head of the
    extended chain whose id has a low byte of 0.
    """
    for kind in (Kind.STANDARD, Kind.EXTENDED):
        chain = [s for s in case.function.structures if s.kind is kind]
        for before, hidden in pairwise(chain):
            if hidden.source is not Origin.HIDDEN or case.hider(kind, hidden.id, hidden.offset) == "QEMU":
                continue  # QEMU builds the chain anew without what it hides itself
            abuts = next((s for s in chain if s.id == before.id and s.end == before.offset), None)
            merged = abuts is not None and abuts.source is before.source is Origin.COPIED
            head = kind is Kind.EXTENDED and before.offset == FIRST_EXTENDED and before.source is Origin.HIDDEN
            if (merged and before.id in case.linux.raw_headers[kind]) or (head and before.id & 0xFF == 0):
                case.report.add(
                    "VPCI1830",
                    hidden.origin,
                    f"'{hidden.name}' at {hidden.offset:#x} is hidden, and a guest finds it all the same",
                    labels=[(before.origin, "its pointer is read from the device")],
                    note=f"Linux {case.linux.release} vfio_pci_config.c: "
                    + (
                        f"it takes '{before.name}' for a part of '{abuts.name}', which ends where it begins"
                        if merged and abuts is not None
                        else "a head whose id has a low byte of 0 gets no stub"
                    ),
                    help="no VMM above this kernel can hide it: another device or firmware, or targets: []",
                )
