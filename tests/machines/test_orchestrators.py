"""What both orchestrators decide about the host is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpci_compile import api
from vpci_compile.emit import Options

LAYOUT = """vpci: 1
machine: two
architecture: x86-64
vmm: {name: qemu, release: "11.1", type: q35}
cpus: 1
nodes: [{memory: 1G}]
ports: {p: {}, q: {}}
devices:
  a: {layout: nvidia/gh200, port: p}
  b: {layout: nvidia/gh200-bare-metal, port: q}
"""


@pytest.mark.parametrize(("name", "shown"), [("kubevirt", "KubeVirt"), ("nova", "Nova")])
def test_what_they_decide_about_the_host(name: str, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(LAYOUT)
    built = api.build_machine(path, tmp_path / "out", Options(orchestrators=(name,), monitor="/run/m"))
    said = [one.message for one in built.diagnostics if one.code == "VPCI1974"]
    assert f"{shown} chooses which function of the host each one is, by vendor and device" in said
    assert f"{shown} cannot tell b from a: their ids are the same" in said
    assert f"{shown} takes nothing of what was told of a monitor or of iommufd: it has its own" in said
