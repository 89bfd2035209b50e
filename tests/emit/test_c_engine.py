"""The C functions do what the Python engine does, and the self-test finds every way in which they would not."""

from __future__ import annotations

import random
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cc
import factory
from vpci_compile import ir
from vpci_compile.emit import c_header
from vpci_compile.ir import MASKS, ConfigSpace, Function

pytestmark = cc.needed

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
        header, _ = cc.emit(function, folder)
        prefix = c_header.identifier(function.name)
        source = folder / "driver.c"
        source.write_text(_DRIVER.format(header=header.name, prefix=prefix, prefix_upper=prefix.upper()))
        made.append(_Twin(function.config, cc.build("c11", source, "-O1")))
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
    header, selftest = cc.emit(_noisy(), folder)
    text = header.read_text()
    changed = change(text)
    assert changed != text
    header.write_text(changed)
    program = selftest.with_suffix("")
    done = subprocess.run(["gcc", "-w", "-O1", selftest, "-o", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return cc.run(program)


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
