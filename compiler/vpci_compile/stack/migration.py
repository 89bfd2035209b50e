"""What a stack does with a function when its machine is migrated, beside the bytes of the configuration space."""

from __future__ import annotations

from collections.abc import Mapping

from . import other_vmms
from .predict import Stack, machine_release

_SKIP_VSC_SINCE = (9, 1)


def skips_vsc(stack: Stack, options: Mapping[str, str]) -> bool:
    """Whether QEMU leaves the bodies of vendor-specific capabilities alone (skip-vsc-check): by its machine type.

    Raises:
        ValueError: the option `machine` names no release.
    """
    machine = machine_release(options["machine"]) if "machine" in options else stack.release
    return min(machine, stack.release) >= _SKIP_VSC_SINCE


def migrates(stack: Stack) -> bool:
    """Whether the VMM migrates functions of vfio at all."""
    return stack.vmm not in other_vmms.NAMES or bool(other_vmms.facts(stack.vmm).plain["migrates"])


def forgets(stack: Stack) -> bool:
    """Whether a guest finds another function after a migration or a restore than before (the option restored)."""
    return stack.vmm in other_vmms.NAMES and "restore" in other_vmms.facts(stack.vmm).plain
