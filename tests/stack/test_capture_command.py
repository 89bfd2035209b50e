"""`vpci-compile capture --vfio`, run in a real Linux that has functions bound to vfio-pci."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from judges import ROOT
from live.guests import folder as guest_folder
from live.guests import need_guest
from vpci_compile import capture, resources, stack
from vpci_compile.live import initramfs
from vpci_compile.live.board import Q35

from . import images, initrd
from .rig import Rig

pytestmark = pytest.mark.stack

_STARTED = """
import sys, io, contextlib, encodings.ascii, encodings.utf_8, encodings.latin_1, vpci_compile.emit.writer
import vpci_compile.cli as cli, vpci_compile.api, vpci_compile.capture.collect
for arguments in (["--help"], ["--all", "--vfio"]):
    sys.argv = ["vpci-compile", "capture", *arguments]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cli.main()
print(*sorted({one.__file__ for one in list(sys.modules.values()) if getattr(one, "__file__", None)}), sep="\\n")
"""
_NAMES = [*images.CRAFTED][:3]
_SLOTS = [f"0000:{bus:02x}:00.0" for bus in range(1, len(_NAMES) + 1)]
_BARS = range(0x10, 0x28)  # the addresses of BARs are the guest's
_PATIENCE_S = 300


def _libraries(path: str) -> list[str]:
    """What a program or library needs, as the loader finds it here."""
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", said)


def _python() -> tuple[dict[str, Path], str]:
    """The files of a Python with all that `capture` imports, and the command that starts it in the guest."""
    program = os.path.realpath(sys.executable)
    listed = subprocess.run([sys.executable, "-c", _STARTED], capture_output=True, text=True, check=True).stdout.split()
    binaries = [program, *(path for path in listed if path.endswith(".so"))]
    libraries = {library for path in binaries for library in _libraries(path)}
    package = ROOT / "compiler/vpci_compile"
    schemas = [path for path in resources.folder("schemas").rglob("*") if path.is_file()]
    files = {path: Path(path) for path in [*listed, program, *libraries, str(package / "__main__.py")]}
    files |= {str(path): path for path in schemas}
    loader = next(path for path in libraries if Path(path).name.startswith("ld-"))
    folders = ":".join(sorted({os.path.dirname(path) for path in libraries if path != loader}))  # noqa: PTH120
    site = next(path for path in sys.path if path.endswith("site-packages"))
    return files, (
        f"PYTHONHOME={sys.base_prefix} PYTHONPATH={package.parent}:{site} PYTHONDONTWRITEBYTECODE=1 "
        f"{loader} --library-path {folders} {program} -S -m vpci_compile capture"
    )


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, str]]:
    """The rig with a Python in it, and how `capture` is started there."""
    program, system = need_guest(Q35)
    judges = guest_folder(Q35).parent
    base = initrd.build(judges, system.kernel.parent, system.folder / "usr/bin/busybox").read_bytes()
    files, command = _python()
    more = initramfs.pack(
        initramfs.file(name.lstrip("/"), path.read_bytes(), executable=True) for name, path in sorted(files.items())
    )
    path = tmp_path_factory.mktemp("python") / "initrd"
    path.write_bytes(base + bytes(-len(base) % 512) + more)  # the kernel unpacks one archive after the other
    with Rig(program, system.kernel, path) as rig:
        yield rig, command


def test_a_real_linux_says_what_we_expect_of_it(python: tuple[Rig, str], tmp_path: Path) -> None:
    rig, command = python
    shown = [images.crafted(name) for name in _NAMES]
    with rig._plugged(shown) as plugged:
        guest = rig._guest
        said = guest.run(f"{command} {' '.join(_SLOTS)} --vfio -o /tmp/a.capture; echo rc=$?", _PATIENCE_S)
        assert said[-1] == "rc=0", said
        iommufd = guest.run("ls /dev/iommu") == ["/dev/iommu"]  # Debian's kernels have none
        notes = sum("note[VPCI1729]" in line for line in said)
        assert notes == (0 if iommufd else len(shown)) and not any("warning" in line for line in said), said
        path = tmp_path / "a.capture"
        path.write_text("\n".join(guest.run("cat /tmp/a.capture")) + "\n")
        states = [bytes(one.hardware.state) for one in plugged]
        group = f"/dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{_SLOTS[0]}/iommu_group))"
        busy = guest.run(f"(exec 5<>{group}; {command} 01:00.0 --vfio -o /tmp/b.capture; echo rc=$?)", _PATIENCE_S)
        release = guest.run("uname -r")[0]
    assert busy[-1] == "rc=1" and any("VPCI1728" in one and "Device or resource busy" in one for one in busy), busy
    found = capture.read_all(path).captures
    assert [one.slot for one in found] == _SLOTS
    for one, state, image in zip(found, states, shown, strict=True):
        host = one.host
        assert host is not None and (host.kernel, host.architecture) == (release, "x86_64")
        assert (host.migration, host.dma_logging, host.iommu is not None) == (frozenset(), False, iommufd)
        sizes = {bar.index: bar.size for bar in image.bars if bar.index < 6}
        assert {index: size for index, size in host.regions.items() if index < 6 and size} == sizes
        assert {bar.index: bar.size for bar in one.bars if bar.index < 6} == sizes
        assert host.regions[7] == len(host.vfio_config) == len(state)
        expected = stack.predict(
            stack.Hardware(state, image.bars, image.virtual, image.ids), "linux-7.2", stack.Place.PORT, {}
        ).config
        differ = [
            at
            for at, (ours, theirs, known) in enumerate(
                zip(host.vfio_config, expected.value, expected.emulated, strict=True)
            )
            if ours & known != theirs & known and at not in _BARS
        ]
        assert differ == []
