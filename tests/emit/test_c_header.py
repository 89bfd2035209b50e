"""The C header compiles without a warning everywhere, does what the Python engine does, and its self-test can fail."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import factory
from vpci_compile import ir
from vpci_compile.emit import c_header
from vpci_compile.emit.artifact import Options
from vpci_compile.ir import MASKS, ConfigSpace, Function, Kind

_FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror"]
_C_FLAGS = [*_FLAGS, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wdeclaration-after-statement"]
_COMPILERS = {
    "c11": ("gcc", [*_C_FLAGS, "-std=c11"]),
    "c17": ("gcc", [*_C_FLAGS, "-std=c17"]),
    "gnu11": ("gcc", [*_C_FLAGS, "-std=gnu11"]),
    "c++17": ("g++", [*_FLAGS, "-std=c++17", "-x", "c++"]),
}

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None or shutil.which("g++") is None, reason="no gcc or g++ here")


def _emit(function: Function, folder: Path) -> tuple[Path, Path]:
    """Write NAME.h and NAME_selftest.c into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for artifact in c_header.emit(function, Options()):
        (folder / artifact.name).write_bytes(artifact.data)
    return folder / f"{function.name}.h", folder / f"{function.name}_selftest.c"


def _compile(language: str, *arguments: str | Path) -> None:
    compiler, flags = _COMPILERS[language]
    done = subprocess.run([compiler, *flags, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


def _build(language: str, source: Path, *flags: str) -> Path:
    _compile(language, *flags, source, "-o", source.with_suffix(""))
    return source.with_suffix("")


def _run(program: Path) -> tuple[int, str]:
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


_EXAMPLES: dict[str, Callable[[], Function]] = {
    "example": lambda: factory.function(initiators=8),
    "bare": lambda: replace(factory.function("bare", factory.example_config(64), ()), bars=(), regions=()),
    "zeros": lambda: factory.function("zeros", factory.flat_config(256), ()),
    "ones": lambda: factory.function("ones", factory.flat_config(4096, 0xFF, 0xFF), ()),
    "noise": lambda: factory.function("noise", factory.config(4096, 7), ()),
    "crowded": factory.crowded,
}


# -- it compiles ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", _COMPILERS)
@pytest.mark.parametrize("which", ["example", "bare", "crowded"])
def test_header_compiles_alone_and_twice_included(which: str, language: str, tmp_path: Path) -> None:
    header, _ = _emit(_EXAMPLES[which](), tmp_path)
    _compile(language, "-fsyntax-only", "-Wno-pragma-once-outside-header", header)
    unit = tmp_path / "unit.c"
    unit.write_text(f'#include "{header.name}"\n#include "{header.name}"\nint main(void) {{ return 0; }}\n')
    _compile(language, "-fsyntax-only", unit)
    _compile(language, "-O2", "-c", unit, "-o", tmp_path / "unit.o")


@pytest.mark.parametrize("language", _COMPILERS)
@pytest.mark.parametrize("which", _EXAMPLES)
def test_selftest_passes(which: str, language: str, tmp_path: Path) -> None:
    function = _EXAMPLES[which]()
    _, selftest = _emit(function, tmp_path)
    status, shown = _run(_build(language, selftest, "-O1", "-g0"))
    assert status == 0, shown
    assert re.fullmatch(rf"ok {re.escape(function.name)}: \d+ checks\n", shown)


def test_selftest_is_clean_under_sanitizers(tmp_path: Path) -> None:
    _, selftest = _emit(factory.function(), tmp_path)
    try:
        program = _build("c17", selftest, "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
    except AssertionError as error:
        pytest.skip(f"no sanitizers here: {error}")
    status, shown = _run(program)
    assert status == 0, shown


def test_header_compiles_as_part_of_the_kernel(tmp_path: Path) -> None:
    """With the kernel's types alone: no header of the C library is read."""
    header, _ = _emit(factory.function(), tmp_path)
    (tmp_path / "linux").mkdir()
    types = "typedef unsigned char uint8_t;\ntypedef unsigned int uint32_t;\n"
    (tmp_path / "linux/types.h").write_text(types)
    _compile("gnu11", "-D__KERNEL__", "-nostdinc", "-ffreestanding", f"-I{tmp_path}", "-fsyntax-only", header)


def test_two_headers_fit_into_one_unit(tmp_path: Path) -> None:
    one, _ = _emit(factory.function("one-nic"), tmp_path)
    two, _ = _emit(factory.function("two-nic"), tmp_path)
    unit = tmp_path / "unit.c"
    unit.write_text(f'#include <linux/pci_regs.h>\n#include "{one.name}"\n#include "{two.name}"\n')
    for language in _COMPILERS:
        _compile(language, "-fsyntax-only", unit)


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
    made = replace(made, origin=replace(made.origin, source=type(made.origin.source)("a/*/ */b??/.yaml", "")))
    _, selftest = _emit(made, tmp_path)
    status, shown = _run(_build(language, selftest, "-O1"))
    assert status == 0, shown


def _macros(header: str) -> dict[str, str]:
    found = re.findall(r"^#define +(\w+)[ \t\\\n]+(.*?)[ \t]*(?:/\*.*)?$", header, re.MULTILINE)
    assert len({name for name, _ in found}) == len(found), "a macro is defined twice"
    return dict(found)


def test_macros_stand_where_the_image_has_them(tmp_path: Path) -> None:
    header, _ = _emit(factory.function(initiators=8), tmp_path)
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
    header, selftest = _emit(factory.function("fight", structures=made, initiators=2), tmp_path)
    macros = _macros(header.read_text())
    assert macros["FIGHT_SIZE"] == "4096"
    assert macros["FIGHT_SIZE_2"] == "0x40"
    assert macros["FIGHT_VNDR_2"] == "0x54"
    assert macros["FIGHT_VNDR_3"] == "0x58"
    assert len([value for value in macros.values() if re.fullmatch(r"0x[4-6][048c]", value)]) == len(names)
    _compile("c17", "-fsyntax-only", selftest)


def test_same_function_gives_the_same_bytes() -> None:
    one, two = (c_header.emit(factory.function(), Options()) for _ in range(2))
    assert one == two
    for artifact in one:
        text = artifact.data.decode()
        assert "some/folder" not in text
        assert text.endswith("\n")
        assert not re.search(r"[ \t]$", text, re.MULTILINE)


# -- it does what the Python engine does -----------------------------------------------------------------------------

_DRIVER = r"""
#include <stdio.h>
#include <string.h>
#include "{header}"

static uint32_t told;

static uint32_t crc(const uint8_t *bytes, unsigned int count)
{{
	uint32_t sum = 0xffffffff;
	unsigned int i, n;

	for (i = 0; i < count; i++) {{
		sum ^= bytes[i];
		for (n = 0; n < 8; n++)
			sum = sum & 1 ? (sum >> 1) ^ 0xedb88320 : sum >> 1;
	}}
	return ~sum;
}}

static uint32_t device_read(void *ctx, unsigned int offset, unsigned int size)
{{
	printf(" r %u %u", offset, size);
	return *(const uint32_t *)ctx;
}}

static void device_write(void *ctx, unsigned int offset, unsigned int size, uint32_t value, uint32_t mask)
{{
	told = *(const uint32_t *)ctx;
	printf(" w %u %u %u %u", offset, size, value, mask);
}}

int main(void)
{{
	static uint8_t state[{prefix_upper}_SIZE];
	unsigned int offset, size, i;
	uint32_t value;
	char what;

	memset(state, 0x5a, sizeof(state));
	{prefix}_reset(state);
	while (scanf(" %c %u %u %u", &what, &offset, &size, &value) == 4) {{
		if (what == 's') /* a state that no sequence of writes need reach */
			for (i = 0; i < sizeof(state); i++)
				state[i] = (uint8_t)(value * 167 + i * offset + (i >> 3));
		else if (what == '0')
			{prefix}_reset(state);
		else if (what == 'r')
			printf(" %u", {prefix}_read(state, offset, size, device_read, &value));
		else if (what == 'n')
			printf(" %u", {prefix}_read(state, offset, size, NULL, NULL));
		else if (what == 'w')
			{prefix}_write(state, offset, size, value, device_write, &value);
		else
			{prefix}_write(state, offset, size, value, NULL, NULL);
		printf(" %u\n", crc(state, sizeof(state)));
	}}
	return 0;
}}
"""

_SEEDS = ((4096, 1), (4096, 2), (256, 3), (64, 4))
_Access = tuple[str, int, int, int]


@dataclass(frozen=True, repr=False)
class _Twin:
    """One image in both languages."""

    space: ConfigSpace
    program: Path

    def in_c(self, accesses: list[_Access]) -> list[str]:
        text = "".join(f"{what} {offset} {size} {value}\n" for what, offset, size, value in accesses)
        done = subprocess.run([self.program], input=text, capture_output=True, text=True, check=True)
        return [" ".join(line.split()) for line in done.stdout.splitlines()]

    def in_python(self, accesses: list[_Access]) -> Iterator[str]:
        space = self.space
        state = bytearray(space.value)
        for what, offset, size, value in accesses:
            said: list[str] = []

            def device_read(at: int, count: int, value: int = value, said: list[str] = said) -> int:
                said.append(f"r {at} {count}")
                return value

            def device_write(at: int, count: int, bits: int, mask: int, said: list[str] = said) -> None:
                said.append(f"w {at} {count} {bits} {mask}")

            if what == "s":
                state[:] = bytes((value * 167 + i * offset + (i >> 3)) & 0xFF for i in range(space.size))
            elif what == "0":
                state[:] = space.value
            elif what in "rn":
                device = device_read if what == "r" else _ones
                answer = ir.read(space, state, offset, size, device) & 0xFFFFFFFF
                said.append(str(answer))
            else:
                ir.write(space, state, offset, size, value, device_write if what == "w" else _nobody)
            yield " ".join([*said, str(zlib.crc32(state))])


def _ones(offset: int, size: int) -> int:
    return 0xFFFFFFFF


def _nobody(offset: int, size: int, value: int, mask: int) -> None:
    pass


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> list[_Twin]:
    made = []
    for size, seed in _SEEDS:
        folder = tmp_path_factory.mktemp(f"twin{seed}")
        function = factory.function(f"twin{seed}", factory.config(size, seed), ())
        header, _ = _emit(function, folder)
        prefix = c_header.identifier(function.name)
        source = folder / "driver.c"
        source.write_text(_DRIVER.format(header=header.name, prefix=prefix, prefix_upper=prefix.upper()))
        made.append(_Twin(function.config, _build("c11", source, "-O1")))
    return made


def _random_access(dice: random.Random, size: int) -> _Access:
    what = dice.choices("rnwx0s", (8, 2, 8, 2, 0.2, 0.2))[0]
    width = dice.choice((1, 1, 2, 2, 4, 4, 4, 0, 3, 5, 8))
    offset = dice.choice((dice.randrange(size), dice.randrange(size) & ~3, dice.randrange(size + 8)))
    if dice.random() < 0.02:
        offset = dice.choice((0xFFFFFFFF, 0xFFFFFFFC, 0x80000000, size, size - 1, size - 2, size - 3))
    value = dice.choice((0, 0xFFFFFFFF, dice.getrandbits(32), 1 << dice.randrange(32)))
    return what, offset, width, value


def test_thousands_of_accesses_agree(twins: list[_Twin]) -> None:
    dice = random.Random(20240417)
    for twin in twins:
        accesses = [_random_access(dice, twin.space.size) for _ in range(8000)]
        assert twin.in_c(accesses) == list(twin.in_python(accesses))


_accesses = st.lists(
    st.tuples(
        st.sampled_from("rnwx0s"),
        st.one_of(st.integers(0, 72), st.integers(0, 4100), st.integers(0, (1 << 32) - 1)),
        st.sampled_from((1, 2, 4, 0, 3, 8)),
        st.integers(0, (1 << 32) - 1),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(number=st.integers(0, len(_SEEDS) - 1), accesses=_accesses)
def test_c_and_python_agree(twins: list[_Twin], number: int, accesses: list[_Access]) -> None:
    twin = twins[number]
    assert twin.in_c(accesses) == list(twin.in_python(accesses))


# -- the self-test can fail ------------------------------------------------------------------------------------------


@cache
def _noisy() -> Function:
    return factory.function("mutant", factory.config(256, 11), ())


def _selftest_says(folder: Path, change: Callable[[str], str]) -> tuple[int, str]:
    header, selftest = _emit(_noisy(), folder)
    text = header.read_text()
    changed = change(text)
    assert changed != text
    header.write_text(changed)
    program = selftest.with_suffix("")
    done = subprocess.run(["gcc", "-w", "-O1", selftest, "-o", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return _run(program)


@pytest.mark.parametrize("at", [0, 1, 100, 255])
@pytest.mark.parametrize("array", ["value", *MASKS])
def test_one_changed_byte_fails_the_selftest(array: str, at: int, tmp_path: Path) -> None:
    def change(text: str) -> str:
        start = text.index(f"mutant_{array}[MUTANT_SIZE] = {{")
        row = text.index(f"/* 0x{at // 8 * 8:03x} */", start) + len("/* 0x000 */ ") + 6 * (at % 8)
        return f"{text[:row]}0x{int(text[row : row + 4], 16) ^ 0x10:02x}{text[row + 4 :]}"

    status, shown = _selftest_says(tmp_path, change)
    assert status == 1
    assert shown.startswith(f"FAIL mutant: {array} at 0x{at:03x}, 1 bytes: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("state[i] = mutant_value[i];", "state[i] |= mutant_value[i];"),
        ("for (i = 0; i < MUTANT_SIZE; i++)\n\t\tstate", "for (i = 1; i < MUTANT_SIZE; i++)\n\t\tstate"),
        ("size == 1 || size == 2 ||", "size == 1 || size == 3 || size == 2 ||"),
        ("(size == 1 || size == 2", "(size == 0 || size == 1 || size == 2"),
        ("|| size == 4)", "|| size == 4 || size == 8)"),
        ("|| size == 4)", ")"),
        ("offset % size == 0 &&", "1 &&"),
        ("offset < MUTANT_SIZE &&", ""),
        ("size <= MUTANT_SIZE - offset", "offset + size < MUTANT_SIZE"),
        ("? ((uint32_t)1 << (8 * size)) - 1 : 0xffffffff", "? 0xff : 0xffffffff"),
        ("<< (8 * i);", "<< (8 * (size - 1 - i));"),
        ("mutant_load(state + offset, size) & emulated", "mutant_load(state + offset, size)"),
        ("if (emulated != ones)", "if (!emulated)"),
        ("if (emulated != ones)", ""),
        ("device(ctx, offset, size) : ones) & ones & ~emulated", "device(ctx, offset, size) : ones) & ones"),
        ("device(ctx, offset, size) : ones) & ones & ~emulated", "device(ctx, offset, size) : ones) & ~emulated"),
        ("device(ctx, offset, size) : ones)", "device(ctx, offset, size) : 0)"),
        ("device(ctx, offset, size) : ones)", "device(ctx, offset & ~3U, size) : ones)"),
        ("device(ctx, offset, size) : ones)", "device(ctx, offset, 4) : ones)"),
        ("mutant_load(mutant_w1c + offset, size) & value", "mutant_load(mutant_w1c + offset, size)"),
        ("(held & ~writable)", "held"),
        ("(value & writable))", "value)"),
        (" & ~cleared;", ";"),
        (
            "((held & ~writable) | (value & writable)) & ~cleared",
            "((held & ~writable & ~cleared) | (value & writable))",
        ),
        ("i < size; i++)\n\t\tstate", "i < 4; i++)\n\t\tstate"),
        ("if (forwarded && device)", "if (device)"),
        ("device(ctx, offset, size, value & forwarded, forwarded)", "device(ctx, offset, size, value, forwarded)"),
        ("value & forwarded, forwarded)", "value & forwarded, ~0U)"),
        ("device(ctx, offset, size, value", "device(ctx, offset & ~1U, size, value"),
        ("[i] ^ other[i]) & mutant_compared[i]", "[i] ^ other[i])"),
        ("return i;\n", "return i < MUTANT_SIZE;\n"),
    ],
)
def test_changed_code_fails_the_selftest(old: str, new: str, tmp_path: Path) -> None:
    def change(text: str) -> str:
        assert text.count(old) == 1
        return text.replace(old, new)

    status, shown = _selftest_says(tmp_path, change)
    assert status != 0, shown
