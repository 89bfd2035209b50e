"""Text from outside, in every field and every fact of the host: it comes out as it went in, or it is refused.

Each output is read by the one who reads it in earnest (a shell, lxml, a JSON or YAML reader), and is the output for a
harmless word but for that word. libvirt's schema judges each domain.
"""

from __future__ import annotations

import ast
import configparser
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from lxml import etree

from machines.test_configurations import domain_schema
from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options

WORD = "zq9x"
FUNCTION = "mellanox/connectx-vf"
QEMU = """vpci: 1
machine: {machine}
about: {about}
architecture: x86-64
vmm: {{name: qemu, release: {release}, type: q35}}
cpus: 2
nodes: [{{memory: 256M}}]
buses: {{ {bus}: {{number: 5}} }}
ports: {{ {port}: {{bus: {bus}}}, down: {{bus: {switch}}} }}
switches: {{ {switch}: {{port: {port}}} }}
devices: {{ {device}: {{layout: {layout}, port: down}} }}
"""
OTHER = """vpci: 1
machine: {machine}
about: {about}
architecture: x86-64
vmm: {{name: {{vmm}}, release: {release}}}
cpus: 2
nodes: [{{memory: 256M}}]
devices: {{ {device}: {{layout: {layout}, bus: root, slot: 5}} }}
"""
PLAIN = {"machine": "m", "about": "a", "bus": "b", "port": "p", "switch": "s", "device": "d", "layout": FUNCTION}
FACTS: dict[str, Callable[[str], Options]] = {
    "host_devices": lambda value: Options(host_devices={"d": value}),
    "sockets": lambda value: Options(sockets={"d": value}),
    "monitor": lambda value: Options(monitor=value),
}
NASTY = [
    *(
        "$(id)",
        "`id`",
        "';id;'",
        '"',
        "'",
        "a,b=c",
        "a b",
        "a\nb",
        "a\r\nb",
        "\t",
        "]]>",
        "--><x/>",
        "&amp;",
        "<a>",
        "{{x}}",
    ),
    *(
        "%s",
        "\\",
        "\0",
        "\x1b[0m",
        "\u2028",
        "\u202e",
        "\ufeff",
        "a: b",
        "- a",
        "#",
        "*",
        "!!python/name:x",
        "'''",
        '"""',
    ),
    *("/run/a,b", "/run/a b", "/run/$(id)", "/run/a'b", "/run/a\nb", "0000:01:00.0,x=y", "0000:01:00.0\n", "../../x"),
    *(
        "a.b",
        "a-b",
        "a_b",
        "yes",
        "null",
        "on",
        "0x1",
        "1e3",
        "a" * 200,
        "/run/" + "a" * 200,
        "no",
        "pcie.0",
        "[a]",
        "${x}",
    ),
]
HOSTILE = (
    st.sampled_from(NASTY)
    | st.text(max_size=12)
    | st.text("<>&\"'$()`;,\\\n\r\t#]{}%=/.:-_ax", min_size=1, max_size=20)
    | st.from_regex(r"[a-z][a-z0-9._-]{0,31}", fullmatch=True)
    | st.from_regex(r"/run/[a-zA-Z0-9._-]{1,20}", fullmatch=True)
)


def read(name: str, data: bytes, folder: Path) -> object:
    """What the reader of such a file makes of it; None of files that have no text from outside but comments."""
    if name.endswith(".json"):
        return json.loads(data)
    if name.endswith(".sh"):
        return argv_of(data, folder)
    if name.endswith(".xml"):
        root = etree.fromstring(data)
        if root.tag == "domain":
            domain_schema().assertValid(root)
        return [[str(one.tag), dict(one.attrib), one.text if not len(one) else ""] for one in root.iter(etree.Element)]
    if name.endswith(".yaml"):
        told = list(yaml.safe_load_all(data))
        if len(told) > 1:
            (script,) = told[1]["data"].values()
            nodes = list(ast.walk(ast.parse(script)))
            told[1]["data"] = [str(one.value) for one in nodes if isinstance(one, ast.Constant)]
            told.append([type(one).__name__ for one in nodes])
        return told
    if name.endswith(".conf"):
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(data.decode())
        return {section: dict(parser[section]) for section in parser.sections()}
    if name.endswith(".ini"):
        return [line for line in data.decode().splitlines() if not line.startswith("#")]
    return None


def argv_of(script: bytes, folder: Path) -> list[str]:
    """What the programs of a script are given by a shell."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("qemu-system-x86_64", "cloud-hypervisor", "crosvm", "openstack"):
        program = programs / name
        program.write_text(f"#!/bin/sh\nprintf '%s\\0' {name} \"$@\"\n")
        program.chmod(0o755)
    done = subprocess.run(
        ["sh", "-s", "image"], input=script, env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True, cwd=folder, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    return done.stdout.decode().split("\0")


def renamed(value: object, word: str, other: str) -> object:
    if isinstance(value, str):
        return value.replace(word, other)
    if isinstance(value, dict):
        return {renamed(key, word, other): renamed(one, word, other) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(one, word, other) for one in value]
    return value


def outputs(folder: Path, text: str, options: Options) -> dict[str, object] | None:
    """Each output as its reader reads it; None where the machine is refused."""
    path = folder / "machine.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        built = api.build_machine(path, folder / "out", options)
    except Failed:
        return None
    found = {}
    for file in built.files:
        assert file.parent == folder / "out"
        found[file.name] = read(file.name, file.read_bytes(), folder)
        file.unlink()
    return found


VMMS = ("qemu", "cloud-hypervisor", "crosvm", "firecracker")
RELEASES = {"qemu": '"11.1"', "cloud-hypervisor": '"54.0"', "crosvm": '"2026.8"', "firecracker": '"2026.8"'}


def layout(vmm: str, told: dict[str, str]) -> str:
    values = {name: json.dumps(value) for name, value in (PLAIN | told).items()}
    release = values.pop("release", RELEASES[vmm])
    template = QEMU if vmm == "qemu" else OTHER.replace("{{vmm}}", vmm)
    return template.format(**values, release=release)


FIELDS = [("qemu", field) for field in (*PLAIN, "release", *FACTS)]
FIELDS += [(vmm, field) for vmm in VMMS[1:] for field in ("machine", "about", "device", "layout", "release", *FACTS)]


@pytest.mark.parametrize(("vmm", "field"), FIELDS)
def test_every_text(vmm: str, field: str, tmp_path: Path) -> None:
    more = ("kubevirt", "nova") if vmm == "qemu" else ()
    harmless = {"host_devices": "0000:3d:00.0", "sockets": f"/run/{WORD}", "monitor": f"/run/{WORD}"}.get(field, WORD)

    def made(value: str) -> dict[str, object] | None:
        if field in FACTS:
            options = FACTS[field](value)._replace(orchestrators=() if field == "sockets" else more)
            return outputs(tmp_path, layout(vmm, {}), options)
        return outputs(tmp_path, layout(vmm, {field: value}), Options(orchestrators=more))

    plain = made(harmless)

    @settings(
        max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck), derandomize=True,
    )  # fmt: skip
    @given(HOSTILE)
    def judged(value: str) -> None:
        found = made(value)
        if found is None or not value:  # refused, or left out
            return
        if field == "machine" and "_" in value:  # Kubernetes' names have none
            return
        assert plain is not None
        assert found == renamed(plain, harmless, value)

    for value in NASTY:
        judged = example(value)(judged)
    judged()
