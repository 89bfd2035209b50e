"""The C header of each shipped machine compiles without a warning everywhere, and says what its tables say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import cc
from machines.test_shipped import MACHINES
from vpci_compile import api
from vpci_compile.acpi.decode import decode

pytestmark = cc.needed


@pytest.mark.parametrize("language", cc.COMPILERS)
@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_compiles(path: Path, language: str, tmp_path: Path) -> None:
    name = api.build_machine(path, tmp_path).system.name
    unit = tmp_path / "unit.c"
    text = (tmp_path / f"{name}.h").read_text()
    used = re.findall(r"^#define (\w+) ", text, re.MULTILINE)
    assert len(used) == len(set(used)) > 4
    rows = "\n".join(f"\tsum += {macro};" for macro in used)
    unit.write_text(
        f'#include "{name}.h"\n#include "{name}.h"\nint main(void)\n{{\n\tunsigned long long sum = 0;\n\n{rows}\n'
        "\treturn sum == 0;\n}\n"
    )
    assert cc.run(cc.build(language, unit)) == (0, "")


def test_what_it_says_is_in_the_srat(tmp_path: Path) -> None:
    """A C compiler evaluates the constants; the SRAT is read from its file."""
    path = next(path for path in MACHINES if path.stem == "gb200-four")
    system = api.build_machine(path, tmp_path).system
    names = [
        f"GB200_FOUR_DEVICE_GPU{index}_{what}" for index in range(4) for what in ("BDF", "FIRST_DOMAIN", "DOMAINS")
    ]
    unit = tmp_path / "unit.c"
    rows = "\n".join(f'\tprintf("%u\\n", {name});' for name in names)
    unit.write_text(f'#include <stdio.h>\n#include "{system.name}.h"\nint main(void)\n{{\n{rows}\n\treturn 0;\n}}\n')
    told = [int(line) for line in subprocess.check_output([cc.build("c11", unit)], text=True).split()]
    said = {(bdf, first + at) for bdf, first, count in zip(*[iter(told)] * 3, strict=True) for at in range(count)}
    srat = decode((tmp_path / f"{system.name}.srat.aml").read_bytes())
    entries = srat.of("generic-initiator")
    shown = {((one["pci"] >> 16 & 0xFF) << 8 | one["pci"] >> 24 & 0xFF, one["domain"]) for one in entries}
    assert len(shown) == 32
    assert said == shown
