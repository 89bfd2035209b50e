"""The C header compiles without a warning everywhere, passes its self-test, and names everything once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cc
import factory
from compiling import whole_layouts
from judges import lacking
from vpci_compile import pipeline
from vpci_compile.emit import c_header
from vpci_compile.emit.artifact import Options
from vpci_compile.ir import Function, Kind

pytestmark = cc.needed

_EXAMPLES: dict[str, Callable[[], Function]] = {
    "example": lambda: factory.function(initiators=8),
    "bare": lambda: replace(factory.function("bare", factory.example_config(64), ()), bars=(), regions=()),
    "zeros": lambda: factory.function("zeros", factory.flat_config(256), ()),
    "ones": lambda: factory.function("ones", factory.flat_config(4096, 0xFF, 0xFF), ()),
    "noise": lambda: factory.function("noise", factory.config(4096, 7), ()),
    "crowded": factory.crowded,
}


# -- it compiles ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", cc.COMPILERS)
@pytest.mark.parametrize("which", ["example", "bare", "crowded"])
def test_header_compiles_alone_and_twice_included(which: str, language: str, tmp_path: Path) -> None:
    header, _ = cc.emit(_EXAMPLES[which](), tmp_path)
    cc.compile_c(language, "-fsyntax-only", "-Wno-pragma-once-outside-header", header)
    unit = tmp_path / "unit.c"
    unit.write_text(f'#include "{header.name}"\n#include "{header.name}"\nint main(void) {{ return 0; }}\n')
    cc.compile_c(language, "-fsyntax-only", unit)
    cc.compile_c(language, "-O2", "-c", unit, "-o", tmp_path / "unit.o")


@pytest.mark.parametrize("language", cc.COMPILERS)
@pytest.mark.parametrize("which", _EXAMPLES)
def test_selftest_passes(which: str, language: str, tmp_path: Path) -> None:
    function = _EXAMPLES[which]()
    _, selftest = cc.emit(function, tmp_path)
    status, shown = cc.run(cc.build(language, selftest, "-O1", "-g0"))
    assert status == 0, shown
    assert re.fullmatch(rf"ok {re.escape(function.name)}: \d+ checks\n", shown)


@pytest.mark.parametrize("path", whole_layouts(), ids=lambda path: path.stem)
def test_selftest_passes_for_what_is_shipped(path: Path, tmp_path: Path) -> None:
    function = pipeline.compile_file(path).function
    _, selftest = cc.emit(function, tmp_path)
    status, shown = cc.run(cc.build("c11", selftest))
    assert (status, shown.split(":")[0]) == (0, f"ok {function.name}")


def test_selftest_is_clean_under_sanitizers(tmp_path: Path) -> None:
    flags = ("-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    try:
        cc.build("c17", tmp_path / "empty.c", *flags)
    except AssertionError as error:
        lacking(f"no sanitizers here: {error}")
    _, selftest = cc.emit(factory.function(), tmp_path)
    status, shown = cc.run(cc.build("c17", selftest, *flags))
    assert status == 0, shown


def test_header_compiles_as_part_of_the_kernel(tmp_path: Path) -> None:
    """With the kernel's types alone: no header of the C library is read."""
    header, _ = cc.emit(factory.function(), tmp_path)
    (tmp_path / "linux").mkdir()
    types = "typedef unsigned char uint8_t;\ntypedef unsigned int uint32_t;\ntypedef unsigned long long uint64_t;\n"
    (tmp_path / "linux/types.h").write_text(types)
    (tmp_path / "linux/stddef.h").write_text("#define NULL ((void *)0)\n")
    cc.compile_c("gnu11", "-D__KERNEL__", "-nostdinc", "-ffreestanding", f"-I{tmp_path}", "-fsyntax-only", header)


def test_two_headers_fit_into_one_unit(tmp_path: Path) -> None:
    one, _ = cc.emit(factory.function("one-nic"), tmp_path)
    two, _ = cc.emit(factory.function("two-nic"), tmp_path)
    unit = tmp_path / "unit.c"
    unit.write_text(f'#include <linux/pci_regs.h>\n#include "{one.name}"\n#include "{two.name}"\n')
    for language in cc.COMPILERS:
        cc.compile_c(language, "-fsyntax-only", unit)


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("example-nic-vf", "example_nic_vf"),
        ("a..b__c", "a_b_c"),
        ("9p.fs", "vpci_9p_fs"),
        ("int", "vpci_int"),
        ("uint8", "vpci_uint8"),
        ("size", "vpci_size"),
        ("pci-regs", "vpci_pci_regs"),
        ("pcie-nic", "pcie_nic"),
        ("-", "vpci"),
        ("*/ #include <x>", "include_x"),
        ("ÄÖ", "vpci"),
        ("Mixed Case", "mixed_case"),
    ],
)
def test_names_become_identifiers(name: str, wanted: str) -> None:
    assert c_header.identifier(name) == wanted


@given(st.text(max_size=30))
def test_any_name_becomes_an_identifier(name: str) -> None:
    assert re.fullmatch(r"[a-z]([a-z0-9]|_(?!_))*(?<!_)", c_header.identifier(name))


@given(st.text(alphabet="*/?\\ a\n\u202e\ud800", max_size=12))
def test_no_text_ends_a_comment(text: str) -> None:
    safe = c_header.comment(text)
    assert not re.search(r"\*/|/\*|\?\?|\\", safe)
    assert safe.isprintable()
    safe.encode()


@pytest.mark.parametrize("language", ["c11", "c++17"])
def test_hostile_texts_stay_comments(language: str, tmp_path: Path) -> None:
    about = '*/ #error "out" /* ??/\n \\ \u202e "%s" // é' + "x" * 200
    made = factory.function("while", about=about)
    made = replace(made, origin=made.origin._replace(source=type(made.origin.source)("a/*/ */b??/.yaml", "")))
    _, selftest = cc.emit(made, tmp_path)
    status, shown = cc.run(cc.build(language, selftest, "-O1"))
    assert status == 0, shown


def _macros(header: str) -> dict[str, str]:
    found = re.findall(r"^#define +(\w+)[ \t\\\n]+(.*?)[ \t]*(?:/\*.*)?$", header, re.MULTILINE)
    assert len({name for name, _ in found}) == len(found), "a macro is defined twice"
    return dict(found)


def test_macros_stand_where_the_image_has_them(tmp_path: Path) -> None:
    header, _ = cc.emit(factory.function(initiators=8), tmp_path)
    macros = _macros(header.read_text())
    wanted = {
        "SIZE": "4096",
        "VENDOR": "0x00",
        "COMMAND": "0x04",
        "COMMAND_MEMORY": "0x0002",
        "MSI": "0x60",
        "MSI_SIZEOF": "24",
        "MSI_CTRL": "0x62",
        "MSI_CTRL_MULTI_ENABLE": "0x0070",
        "MSI_CTRL_MULTI_ENABLE_SHIFT": "4",
        "VNDR": "0x90",
        "VNDR_2": "0xa0",
        "PASID": "0xff8",
        "PASID_CAP": "0xffc",
        "PASID_CTRL": "0xffe",
        "PASID_CTRL_ENABLE": "0x0001",
        "BAR0": "0x10",
        "BAR2_SIZE": "0x2000000000ULL",
        "BAR2_LENGTH": "0x17a0000000ULL",
        "BAR2_CACHING": "EXAMPLE_NIC_VF_CACHING_WRITE_BACK",
        "BAR2_BEYOND": "EXAMPLE_NIC_VF_BEYOND_ERROR",
        "BAR2_ENABLE": "EXAMPLE_NIC_VF_ENABLE_FIRST_AFTER_RESET",
        "ROM_BAR_SIZE": "0x10000ULL",
        "REGION4_TYPE": "0x800010deU",
        "REGION4_SIZE": "0x17a0000000ULL",
        "INITIATORS": "8",
        "FIRST_NODE": "4",
    }
    assert {name: macros.get(f"EXAMPLE_NIC_VF_{name}") for name in wanted} == wanted
    assert macros["EXAMPLE_NIC_VF_DIGEST"] == f'"{factory.function().digest}"'
    assert "EXAMPLE_NIC_VF_BAR4_SIZE" not in macros
    assert "EXAMPLE_NIC_VF_PASID_OLD_CTRL" not in macros


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(factory.functions())
def test_no_macro_is_defined_twice_and_masks_are_the_fields(function: Function) -> None:
    header = c_header.emit(function, Options())[0].data.decode()
    macros = _macros(header)
    prefix = c_header.identifier(function.name).upper()
    shifts = [name for name in macros if name.endswith("_SHIFT")]
    for name in shifts:
        mask = macros.get(name.removesuffix("_SHIFT") + "_MASK") or macros[name.removesuffix("_SHIFT")]
        number = int(mask.rstrip("UL"), 16)
        low = int(macros[name])
        width = (number >> low).bit_length()
        assert number == ((1 << width) - 1) << low
        assert width > 1
    assert all(name.startswith((f"{prefix}_", "VPCI_")) for name in macros)


def test_structures_that_fight_for_names_all_get_one(tmp_path: Path) -> None:
    """Names that meet the header's own, one another's registers and numbered ones."""
    names = ("size", "digest", "bar0", "bar0-size", "vndr", "vndr-2", "vndr", "vndr", "initiators", "h", "rom-bar")
    made = tuple(factory.structure(Kind.STANDARD, name, 0x40 + 4 * n, 4) for n, name in enumerate(names))
    header, selftest = cc.emit(factory.function("fight", structures=made, initiators=2), tmp_path)
    macros = _macros(header.read_text())
    assert macros["FIGHT_SIZE"] == "4096"
    assert macros["FIGHT_SIZE_2"] == "0x40"
    assert macros["FIGHT_VNDR_2"] == "0x54"
    assert macros["FIGHT_VNDR_3"] == "0x58"
    assert len([value for value in macros.values() if re.fullmatch(r"0x[4-6][048c]", value)]) == len(names)
    cc.compile_c("c17", "-fsyntax-only", selftest)


def test_same_function_gives_the_same_bytes() -> None:
    one, two = (c_header.emit(factory.function(), Options()) for _ in range(2))
    assert one == two
    for artifact in one:
        text = artifact.data.decode()
        assert "some/folder" not in text
        assert text.endswith("\n")
        assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_templates_are_loaded_only_when_something_is_rendered() -> None:
    script = "import sys; from vpci_compile.emit import c_header, render; sys.exit('jinja2' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(c_header.__file__).resolve().parents[2])}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0
