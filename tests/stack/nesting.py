"""The rig with an iommufd, and with an IOMMU that has PASID: in a Linux of our own (tools/build-guest-kernel.sh).

That kernel claims one capability bit for the IOMMU that its host does not have; the script says which, and why.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from live.guests import folder as guest_folder
from vpci_compile.capture import IommuFacts
from vpci_compile.live import Place, initramfs
from vpci_compile.live.board import Q35

from . import judged
from .guest import digest
from .hardware import Image
from .rig import Observed, Refused, Rig

HOST = "intel-iommu,intremap=on,caching-mode=on,scalable-mode=on,pasid-bits=20"
"""The IOMMU of the machine that Linux runs in."""
HOST_ATS = f"{HOST},device-iotlb=on"
NO_PASID = "intel-iommu,caching-mode=on,fs1gp=off,scalable-mode=on,fsts=on"
VIOMMU = f"{NO_PASID},pasid-bits=20"
"""The IOMMU of the nested machine."""
_BACKEND, _BACKED = "-object iommufd,id=iommufd0", {"iommufd": "iommufd0"}
_CAN_EXECUTE, _CAN_BE_PRIVILEGED, _NO_ATS = 0x2, 0x4, 0x8


class NestingRig(Rig):
    """A `Rig` whose functions have an iommufd."""

    def iommu(self, images: Sequence[Image]) -> list[tuple[int, int, int]]:
        """What IOMMU_GET_HW_INFO says of each function: type of the IOMMU, PASID's width, capabilities."""
        with self._plugged(images) as plugged:
            said = self._guest.run(f"hwinfo {' '.join(one.address for one in plugged)}")
        found = [tuple(int(word, 16) for word in line.split()) for line in said]
        assert len(found) == len(images), said
        return [(kind, width, capabilities) for kind, width, capabilities in found]

    def nested(
        self,
        images: Sequence[Image],
        options: Sequence[Mapping[str, str]],
        place: Place = Place.PORT,
        *,
        viommu: str = VIOMMU,
        probe: bool = True,
    ) -> list[Observed | Refused]:
        """As `qemu`, each function with an iommufd, below the IOMMU `viommu` if that is not empty."""
        words = _BACKEND + (f" -device {viommu}" if viommu else "")
        return self.qemu(images, place, [{**_BACKED, **one} for one in options], machine=words, probe=probe)

    def said(self) -> str:
        """What the nested QEMU has said last."""
        return "\n".join(self._guest.run("cat /tmp/said"))


def facts(said: tuple[int, int, int]) -> IommuFacts:
    """What `NestingRig.iommu` said of a function, as a capture has it."""
    _, width, capabilities = said
    return IommuFacts(
        max_pasid_log2=width,
        pasid_exec=bool(width and capabilities & _CAN_EXECUTE),
        pasid_priv=bool(width and capabilities & _CAN_BE_PRIVILEGED),
        ats=not capabilities & _NO_ATS,
    )


def need_nesting_rig(iommu: str) -> NestingRig:
    """The rig; skipped where its kernel has not been built, which nothing requires."""
    judges = guest_folder(Q35).parent
    kernel = judges / "guest-kernel"
    if not (kernel / "stamp").is_file():
        pytest.skip("no Linux with iommufd here (make guest-kernel builds it, in some minutes): nothing is shown to it")
    program, _, initrd = judged.need_ingredients()
    return NestingRig(program, kernel / "bzImage", _with_hwinfo(judges, initrd), iommu)


def _with_hwinfo(judges: Path, initrd: Path) -> Path:
    """The initial file system with one more program: a kernel unpacks archives that stand one behind the other."""
    source = Path(__file__).with_name("hwinfo.c")
    path = initrd.with_name(f"{initrd.name}-hwinfo-{digest(source.read_bytes())}")
    if not path.exists():
        headers = judges / "base/usr/include"  # newer than this machine's own may be
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        command = ["gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror"]
        command += [
            "-isystem",
            str(headers),
            "-isystem",
            str(headers / "x86_64-linux-gnu"),
            "-o",
            str(fresh),
            str(source),
        ]
        subprocess.run(command, check=True, timeout=120)
        program = fresh.read_bytes()
        fresh.write_bytes(
            initrd.read_bytes() + initramfs.pack([initramfs.file("bin/hwinfo", program, executable=True)])
        )
        fresh.replace(path)
    return path
