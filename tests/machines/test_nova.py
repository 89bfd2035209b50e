"""A machine for Nova: its own code reads nova.conf, and validates the extra specs of the flavor."""

from __future__ import annotations

import json
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from judges import ROOT
from machines.test_shipped import OF_QEMU
from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options
from vpci_compile.emit.machine import qemu as machine_qemu

LAYOUT = """vpci: 1
machine: small
architecture: x86-64
vmm: {name: qemu, release: "11.1", type: q35}
cpus: 6
processor: {sockets: 2, cores: 3}
nodes: [{cpus: "0-2", memory: 1G}, {cpus: "3-5", memory: 512M}]
ports: {a: {}, b: {}, c: {}}
devices:
  acc: {layout: mellanox/connectx-vf, port: c}
  gpu: {layout: nvidia/gh200, port: a}
  other: {layout: nvidia/gh200, port: b}
"""
HOST = {"acc": "0019:06:00.1", "gpu": "0009:01:00.0", "other": "0019:01:00.0"}
PLACE = {"driver", "id", "host", "bus", "addr", "multifunction", "rombar", "iommufd"}
# Nova's own readers of what a compute host and a flavor say; the answer is what it understood.
READER = """
import json, sys
from nova import conf
conf.CONF([], project="nova", default_config_files=[sys.argv[1]])
from nova import objects
objects.register_all()
from nova.api.validation.extra_specs import validators
from nova.pci import request, whitelist
specs = json.loads(sys.argv[2])
for name, value in specs.items():
    validators.validate(name, value)
asked = request._translate_alias_to_requests(specs["pci_passthrough:alias"])
given = whitelist.Whitelist(conf.CONF.pci.device_spec).specs
print(json.dumps({
    "asked": [[one.alias_name, one.count, one.spec] for one in asked],
    "given": [one.tags | {"address": one.address.pci_address_spec.__dict__} for one in given],
}, default=str))
"""


def built(folder: Path, layout: str, host: dict[str, str]) -> tuple[list[list[str]], list[str]]:
    """The commands of the script, and the codes that were said."""
    path = folder / "machine.yaml"
    path.write_text(layout)
    made = api.build_machine(path, folder / "out", Options(host_devices=host, orchestrators=("nova",)))
    name = made.system.name
    script = (folder / f"out/{name}.nova-flavor.sh").read_text().replace("\\\n", "")
    commands = [shlex.split(line) for line in script.splitlines() if line.startswith("openstack")]
    return commands, [one.code for one in made.diagnostics]


def properties(command: list[str]) -> dict[str, str]:
    return dict(row.split("=", 1) for key, row in pairwise(command) if key == "--property")


def test_what_it_says(tmp_path: Path) -> None:
    (flavor, image), codes = built(tmp_path, LAYOUT, HOST)
    specs = properties(flavor)
    assert flavor[:4] == ["openstack", "flavor", "create", "small"]
    assert {key: flavor[flavor.index(key) + 1] for key in ("--vcpus", "--ram")} == {"--vcpus": "6", "--ram": "1536"}
    assert properties(image) == {"hw_machine_type": "pc-q35-11.1"} and image[-1] == "$1"
    assert set(codes) == {"VPCI1974"}
    python = ROOT / ".cache/orchestrators/nova/bin/python"
    if not python.exists():
        pytest.skip("no Nova here: tools/fetch-orchestrators.sh")
    done = subprocess.run(
        [python, "-c", READER, tmp_path / "out/small.nova.conf", json.dumps(specs)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert [(name, count) for name, count, _ in told["asked"]] == [("connectx-vf", 1), ("nvidia-gh200", 2)]
    assert [spec[0]["vendor_id"] for *_, spec in told["asked"]] == ["15b3", "10de"]
    assert len(told["given"]) == 3
    assert specs["hw:numa_cpus.1"] == "3-5" and specs["hw:numa_mem.1"] == "512"


@pytest.mark.parametrize("path", OF_QEMU, ids=lambda path: path.stem)
def test_what_it_cannot_say(path: Path, tmp_path: Path) -> None:
    """A function that needs options of vfio-pci is refused, and so is a vIOMMU; never left out in silence."""
    argv, _ = machine_qemu.arguments(api.load_machine(path).system, Options())
    rows = [json.loads(text) for text in argv if text.startswith('{"driver"')]
    special = any(row["driver"] in ("arm-smmuv3", "intel-iommu") for row in rows) or any(
        set(row) - PLACE for row in rows if row["driver"] == "vfio-pci"
    )
    try:
        built(tmp_path, path.read_text(), {})
    except Failed as failed:
        assert special and {one.code for one in failed.diagnostics if one.severity == "error"} == {"VPCI1975"}
    else:
        assert not special
