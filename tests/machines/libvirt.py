"""libvirt itself as a judge: what QEMU it would start for a domain (`virsh domxml-to-native`).

Its QEMU driver runs inside virsh (qemu:///embed), in a mount and PID namespace of its own whose root is what
tools/fetch-libvirt.sh unpacked. There /sys has the functions of a host that is none, all with vfio-pci, and /dev has
/dev/null under the names of VFIO's and iommufd's files: they are looked for, not opened.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from lxml import etree

from judges import ROOT, lacking

TREE = Path(os.environ.get("VPCI_LIBVIRT_TREE") or ROOT / ".cache/libvirt-tree")
_SECONDS = 120
_INSIDE = r"""
set -e
for folder in dev run tmp sys root; do mount -t tmpfs none "$TREE/$folder"; done
mount -t proc none "$TREE/proc"
mkdir -p "$TREE/dev/vfio/devices"
for name in null zero random urandom; do : >"$TREE/dev/$name"; mount --bind "/dev/$name" "$TREE/dev/$name"; done
fake() { : >"$TREE/dev/$1"; mount --bind /dev/null "$TREE/dev/$1"; }
fake vfio/vfio
fake iommu
number=0
bus=$TREE/sys/bus/pci
for address in $ADDRESSES; do
  number=$((number + 1))
  fake "vfio/$number"
  fake "vfio/devices/vfio$number"
  mkdir -p "$bus/devices/$address/vfio-dev/vfio$number" "$bus/drivers/vfio-pci"
  mkdir -p "$TREE/sys/kernel/iommu_groups/$number/devices"
  ln -s "../../../../kernel/iommu_groups/$number" "$bus/devices/$address/iommu_group"
  ln -s "../../../../bus/pci/devices/$address" "$TREE/sys/kernel/iommu_groups/$number/devices/$address"
  ln -s ../../drivers/vfio-pci "$bus/devices/$address/driver"
  echo 0x10de >"$bus/devices/$address/vendor"
  echo 0x2342 >"$bus/devices/$address/device"
  echo 0x030200 >"$bus/devices/$address/class"
  head -c 4096 /dev/zero >"$bus/devices/$address/config"
done
cp "$DOMAINS"/*.xml "$TREE/tmp"
chroot "$TREE" /usr/bin/env -i PATH=/usr/bin /usr/bin/virsh -q -c 'qemu:///embed?root=/root/embed' "$COMMANDS"
"""


def native(domains: Mapping[str, bytes], addresses: Iterable[str]) -> dict[str, list[str]]:
    """The arguments of QEMU for each domain, by the domain's name, on a host that has functions at these addresses.

    The test does not go on where libvirt is not to be had, and is skipped where the namespaces are not.
    """
    if not (TREE / "usr/bin/virsh").is_file():
        lacking("no libvirt here: tools/fetch-libvirt.sh, or VPCI_LIBVIRT_TREE")
    refused = _refused()
    if refused is not None:  # no judge to be fetched: a container may be forbidden to have namespaces
        pytest.skip(refused)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in domains.items():
            (Path(folder) / f"{name}.xml").write_bytes(_without_kvm(text))
        commands = "; ".join(f"domxml-to-native qemu-argv /tmp/{name}.xml" for name in domains)
        told = {"TREE": str(TREE), "DOMAINS": folder, "ADDRESSES": " ".join(addresses), "COMMANDS": commands}
        done = subprocess.run(
            [*_NAMESPACE, "sh", "-c", _INSIDE], env={**os.environ, **told}, capture_output=True, timeout=_SECONDS
        )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, list[str]] = {}
    for line in done.stdout.decode().split("LC_ALL=C ")[1:]:  # the environment, the program, its arguments
        words = shlex.split(line)
        program = next(index for index, word in enumerate(words) if word.startswith("/usr/bin/qemu-system-"))
        argv = words[program + 1 :]
        found[argv[argv.index("-name") + 1].split(",")[0].removeprefix("guest=")] = argv
    assert set(found) == set(domains), done.stderr.decode()
    return found


_NAMESPACE = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--pid", "--fork"]


def _refused() -> str | None:
    """Why this machine lets nobody have a file system of his own, in words."""
    if shutil.which("unshare") is None:
        return "no unshare here"
    tried = subprocess.run([*_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return f"no mount namespace here: {tried.stderr.decode().strip()}" if tried.returncode else None


def _without_kvm(domain: bytes) -> bytes:
    """The same for a host without KVM, whatever host this is: TCG has no processor of the host's."""
    root = etree.fromstring(domain)
    root.set("type", "qemu")
    root.find("cpu").set("mode", "maximum")
    return etree.tostring(root)
