"""What the kernel below QEMU makes of a function: drivers that cannot migrate, fields that read as 0."""

from __future__ import annotations

from ..ir import Structure
from .qemu_facts import Case


def check_migration(case: Case) -> None:
    """Report VPCI1828 for a function that is to migrate, below a driver that cannot."""
    physical = case.function.physical
    driver = physical.driver.replace("_", "-") if physical else "vfio-pci"
    if case.function.migrates and driver in case.linux.without_migration:
        case.report.add(
            "VPCI1828",
            case.function.origin,
            f"the layout says that it migrates, and the driver '{driver}' cannot",
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
