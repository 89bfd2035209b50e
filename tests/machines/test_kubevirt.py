"""A machine for KubeVirt: its hook on a domain like KubeVirt's, judged by libvirt; its objects by KubeVirt's types."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lxml import etree

from judges import ROOT
from machines import crafted, libvirt
from machines.qemu_arguments import facts
from machines.test_configurations import domain_schema
from machines.test_libvirt import ADDRESSES, DOMAINS, NAMES, OURS, differences, names, systems, without_initiators
from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options
from vpci_compile.emit.machine import qemu as machine_qemu
from vpci_compile.ir.topology import System

CRAFTED = {"x86": crafted.X86, "arm": crafted.ARM}
# What virt-launcher asks of libvirt, as far as it meets ours: its own serial bus and disk, memory in bytes, no place
# for anything, and functions under aliases of its own (pkg/virt-launcher/virtwrap/converter).
DOMAIN = """<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
<name>default_{name}</name>
<memory unit="b">{memory}</memory>
<os{firmware}><type arch="{arch}" machine="{machine}">hvm</type></os>
<features><acpi></acpi>{gic}</features>
<cpu mode="host-passthrough"><topology sockets="{sockets}" cores="{cores}" threads="{threads}"></topology></cpu>
<vcpu placement="static">{cpus}</vcpu>
<devices>
<controller type="usb" index="0" model="none"></controller>
<controller type="virtio-serial" index="0" model="virtio-non-transitional"></controller>
<disk device="disk" type="file" model="virtio-non-transitional"><source file="/tmp/disk.img"></source>
<target bus="virtio" dev="vda"></target><driver name="qemu" type="raw"></driver><alias name="ua-disk0"></alias></disk>
{functions}
<memballoon model="none"></memballoon>
</devices>
</domain>"""
FUNCTION = """<hostdev type="pci" managed="no" mode="subsystem"><driver iommufd="no"></driver>
<source><address domain="0x0000" bus="0x{bus:02x}" slot="0x00" function="0x0"></address></source>
<alias name="ua-hostdevice-{name}"></alias></hostdev>"""


def objects(folder: Path, name: str, options: Options) -> tuple[dict, dict, dict]:
    """The instance, the ConfigMap, and what the cluster permits."""
    layout = folder / "machine.yaml" if (folder / "machine.yaml").exists() else ROOT / f"layouts/machines/{name}.yaml"
    api.build_machine(layout, folder / "out", options._replace(orchestrators=("kubevirt",)))
    instance, config = yaml.safe_load_all((folder / f"out/{name}.kubevirt.yaml").read_text())
    return instance, config, yaml.safe_load((folder / f"out/{name}.kubevirt-cr.yaml").read_text())


def launchers(system: System, instance: dict) -> str:
    """The domain that virt-launcher makes of the instance."""
    told = instance["spec"]["domain"]
    arm = instance["spec"]["architecture"] == "arm64"
    return DOMAIN.format(
        name=system.name,
        memory=int(told["memory"]["guest"].removesuffix("Mi")) << 20,
        firmware=' firmware="efi"' if "firmware" in told else "",
        arch="aarch64" if arm else "x86_64",
        gic='<gic version="3"></gic>' if arm else "",
        machine=told["machine"]["type"],
        cpus=told["cpu"]["sockets"] * told["cpu"]["cores"] * told["cpu"]["threads"],
        **{part: told["cpu"][part] for part in ("sockets", "cores", "threads")},
        functions="\n".join(
            FUNCTION.format(bus=8 - at, name=one["name"]) for at, one in enumerate(told["devices"]["hostDevices"])
        ),
    )


def hooked(script: str, domain: str) -> subprocess.CompletedProcess[str]:
    """The hook run as KubeVirt runs it."""
    command = [sys.executable, "-", "--vmi", "{}", "--domain", domain]
    return subprocess.run(command, input=script, capture_output=True, text=True)


def test_the_machine_is_ours(tmp_path: Path) -> None:
    """What our arguments say is in those that libvirt makes of the hook's domain, beside KubeVirt's own devices."""
    schema, domains, known = domain_schema(), {}, systems(tmp_path)
    for name, (system, options) in known.items():
        (tmp_path / name).mkdir()
        if name in CRAFTED:
            (tmp_path / name / "machine.yaml").write_text(CRAFTED[name].format(about="x"))
        instance, config, _ = objects(tmp_path / name, name, options)
        done = hooked(config["data"]["on-define-domain.py"], launchers(system, instance))
        assert done.returncode == 0, done.stderr
        schema.assertValid(etree.fromstring(done.stdout))
        domains[f"default_{name}"] = done.stdout.encode()
    argv = libvirt.native(domains, ADDRESSES)
    assert set(known) == set(NAMES)
    for name, (system, options) in known.items():
        aliases = {alias.replace("ua-", "ua-hostdevice-"): one for alias, one in names(system).items()}
        theirs, wanted = without_initiators(facts(argv[f"default_{name}"], {**names(system), **aliases}))
        ours, initiators = without_initiators(facts(machine_qemu.arguments(system, options)[0], {}))
        assert initiators == wanted
        assert differences({fact for fact in ours - theirs if fact[0] != "-nodefaults"}, OURS) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("ua-hostdevice-gpu0", "ua-hostdevice-other"), "no function ua-hostdevice-gpu0"),
        (("virt-11.1", "virt-10.2"), "not virt-11.1"),
        (("host-passthrough", "host-model"), "not the host's"),
        (('<vcpu placement="static">4', '<vcpu placement="static">8'), "number of processors"),
        (("<devices>", '<devices><controller type="pci" index="1" model="pcie-root-port"/>'), "ports of its own"),
    ],
)
def test_the_hook_refuses_another_domain(change: tuple[str, str], reason: str, tmp_path: Path) -> None:
    instance, config, _ = objects(tmp_path, "gh200", Options())
    domain = launchers(api.load_machine("machines/gh200").system, instance)
    assert change[0] in domain
    done = hooked(config["data"]["on-define-domain.py"], domain.replace(*change))
    assert done.returncode == 1 and done.stdout == "" and reason in done.stderr


def test_what_libvirt_cannot_say_is_refused(tmp_path: Path) -> None:
    text = crafted.X86.format(about="x").replace("number: 64, node: 1", "number: 64, node: 1, cxl: true")
    (tmp_path / "machine.yaml").write_text(text)
    with pytest.raises(Failed) as caught:
        objects(tmp_path, "x86", Options())
    assert {one.code for one in caught.value.diagnostics if one.severity == "error"} == {"VPCI1975"}


def interface(name: str) -> dict[str, tuple[bool, str]]:
    """Keys of one of KubeVirt's objects: whether it has to be there, and its type; of KubeVirt's own TypeScript."""
    models = ROOT / ".cache/orchestrators/kubevirt-api/kubevirt/models"
    if not models.is_dir():
        pytest.skip("no types of KubeVirt here: tools/fetch-orchestrators.sh")
    text = (models / f"{name}.ts").read_text()
    body = text[text.index("export interface") : text.index("\n}\n")]
    rows = re.findall(r"^  '?([\w.]+)'?(\?)?: (.+);$", body, re.MULTILINE)
    return {key: (not optional, kind) for key, optional, kind in rows}


def conforms(value: object, kind: str) -> None:
    """`value` is of a type of KubeVirt's."""
    if array := re.fullmatch(r"Array<(\w+)>", kind):
        assert isinstance(value, list)
        for one in value:
            conforms(one, array[1])
    elif kind.startswith("{"):
        assert isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    elif kind in ("string", "number", "boolean"):
        assert isinstance(value, {"string": str, "number": int, "boolean": bool}[kind])
    elif kind != "object":
        assert isinstance(value, dict)
        known = interface(kind)
        assert set(value) <= set(known), (kind, set(value) - set(known))
        assert {key for key, (needed, _) in known.items() if needed} <= set(value)
        for key, one in value.items():
            conforms(one, known[key][1])


@pytest.mark.parametrize("path", DOMAINS, ids=lambda path: path.stem)
def test_objects_are_kubevirts(path: Path, tmp_path: Path) -> None:
    instance, _, permitted = objects(tmp_path, path.stem, Options())
    conforms(instance["spec"], "V1VirtualMachineInstanceSpec")
    conforms(permitted["spec"]["configuration"], "V1KubeVirtConfiguration")
