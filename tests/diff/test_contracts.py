"""Differences between contracts: none is missed, none is made up, each is named with its field and both YAML lines."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from compiling import BRIDGE, EXPRESS, HEAD, LAYOUTS, compiled, device_layouts
from vpci_compile import api
from vpci_compile.cli.app import app
from vpci_compile.diff import Difference, compare
from vpci_compile.ir import Beyond, Caching, ConfigSpace, Enable, Function

SHIPPED = device_layouts()


@cache
def shipped(path: Path) -> Function:
    return api.check(path).function


def flipped(function: Function, bit: int, name: str = "value") -> Function:
    """The same function with one bit of its image, or of a mask, the other way round."""
    octets = bytearray(getattr(function.config, name))
    octets[bit // 8] ^= 1 << bit % 8
    return replace(function, config=replace(function.config, **{name: bytes(octets)}))


def one(found: list[Difference]) -> Difference:
    assert len(found) == 1, [d.path for d in found]
    return found[0]


# -- equal or not --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_layout_is_equal_to_itself(path: Path) -> None:
    function = shipped(path)
    again = api.check(path).function
    assert compare(function, again) == []
    assert function.digest == again.digest
    assert len(function.digest) == 64


def test_shipped_layouts_differ_from_each_other() -> None:
    for left, right in itertools.combinations(SHIPPED, 2):
        found = compare(shipped(left), shipped(right))
        assert found
        assert shipped(left).digest != shipped(right).digest
        turned = compare(shipped(right), shipped(left))
        assert sorted((d.left, d.right) for d in turned) == sorted((d.right, d.left) for d in found)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SHIPPED), st.randoms(use_true_random=False))
def test_a_bit_inside_the_contract_is_found_and_named(path: Path, dice: random.Random) -> None:
    function = shipped(path)
    bit = dice.choice([bit for bit in range(8 * function.config.size) if _compared(function.config, bit)])
    changed = flipped(function, bit)
    assert changed.digest != function.digest
    owners = [f for f in function.fields_at(bit // 8) if f.bit <= bit < f.bit + f.width]
    found = compare(function, changed)
    assert found
    # A changed length or type can make further registers appear; the one that changed is always named.
    if owners:
        assert owners[0].path in {d.path for d in found}
        (named,) = (d for d in found if d.path == owners[0].path)
        assert (named.left_span, named.left != named.right) == (owners[0].origin, True)
    else:
        # A reserved bit: by its byte, or by a register that it makes appear (those of root ports in AER).
        assert any(d.offset is not None and d.offset <= bit // 8 < d.offset + 4 for d in found)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SHIPPED), st.randoms(use_true_random=False))
def test_a_bit_outside_the_contract_is_no_difference(path: Path, dice: random.Random) -> None:
    function = shipped(path)
    bit = dice.choice([bit for bit in range(8 * function.config.size) if not _compared(function.config, bit)])
    changed = flipped(function, bit)
    assert changed.digest == function.digest
    assert compare(function, changed) == []


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SHIPPED), st.randoms(use_true_random=False), st.sampled_from(["emulated", "writable", "forwarded"])
)
def test_who_answers_is_no_part_of_the_contract(path: Path, dice: random.Random, mask: str) -> None:
    function = shipped(path)
    assert compare(function, flipped(function, dice.randrange(8 * function.config.size), mask)) == []


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SHIPPED), st.randoms(use_true_random=False))
def test_what_is_compared_is_part_of_the_contract(path: Path, dice: random.Random) -> None:
    function = shipped(path)
    changed = flipped(function, dice.randrange(8 * function.config.size), "compared")
    assert changed.digest != function.digest
    difference = one(compare(function, changed))
    assert difference.left != difference.right


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SHIPPED), st.lists(st.integers(0, 1 << 20), max_size=6), st.integers(0, 1 << 16))
def test_the_digest_is_equal_exactly_when_nothing_differs(path: Path, bits: list[int], seed: int) -> None:
    function, dice = shipped(path), random.Random(seed)
    changed = function
    for bit in bits:
        changed = flipped(changed, bit % (8 * function.config.size), dice.choice(["value", "compared", "writable"]))
    assert (compare(function, changed) == []) == (changed.digest == function.digest)


def _compared(config: ConfigSpace, bit: int) -> bool:
    return bool(config.compared[bit // 8] >> bit % 8 & 1)


# -- what is said --------------------------------------------------------------------------------------------------


def test_a_field_with_both_values_and_both_lines() -> None:
    text = "capabilities:\n  - cap: pm\n    at: 0x40\n    source: synthesized\n    fields:\n"
    left = compiled(text + "      pmcsr: {no_soft_reset: 1}\n")
    right = compiled(text + "      pmc.version: 3\n      pmcsr.no_soft_reset: 0\n")
    found = one(compare(left, right))
    assert (found.path, found.title, found.offset) == ("pm.pmcsr.no_soft_reset", "No_Soft_Reset", 0x44)
    assert (found.left, found.right) == ("1", "0")
    assert found.left_span is not None
    assert found.right_span is not None
    assert (found.left_span.line, found.right_span.line) == (11, 12)


def test_values_are_decoded() -> None:
    text = EXPRESS + "extended: [{cap: pasid, at: 0x100, source: synthesized, fields: {max_width: WIDTH}}]\n"
    found = one(compare(compiled(text.replace("WIDTH", "20")), compiled(text.replace("WIDTH", "16"))))
    assert (found.left, found.right) == ("0x14 (20 bits)", "0x10 (16 bits)")
    left = compiled("", HEAD.replace("0x5678", "0x5679"))
    found = one(compare(left, compiled("")))
    assert (found.path, found.left, found.right) == ("header.device", "0x5679", "0x5678")


def test_a_structure_that_one_side_has() -> None:
    text = "capabilities:\n  - {cap: pm, at: 0x40, source: synthesized}\n"
    left, right = compiled(text), compiled(text + "  - {cap: vpd, at: 0x50, source: synthesized}\n")
    pointer, structure = compare(left, right)
    assert (pointer.path, pointer.left, pointer.right) == ("pm.next", "0", "0x50")
    assert (structure.path, structure.left, structure.right) == ("vpd", "", "at 0x50, 8 bytes")
    assert structure.left_span is None
    assert structure.right_span is not None
    assert structure.right_span.line == 8
    assert [(d.left, d.right) for d in compare(right, left)] == [("0x50", "0"), ("at 0x50, 8 bytes", "")]


def test_a_structure_that_moved_and_changed() -> None:
    text = (
        EXPRESS
        + "extended:\n  - {cap: dsn, at: 0x100, source: synthesized}\n  - {cap: pasid, at: AT, source: synthesized"
    )
    left = compiled(text.replace("AT", "0x200") + ", fields: {max_width: 20}}\n")
    right = compiled(text.replace("AT", "0xff8") + ", fields: {max_width: 16}}\n")
    pointer, place, width = compare(left, right)
    assert (pointer.path, pointer.left, pointer.right) == ("dsn.header.next", "0x200", "0xff8")
    assert (place.path, place.left, place.right) == ("pasid", "at 0x200", "at 0xff8")
    assert (width.path, width.left, width.right) == ("pasid.cap.max_width", "0x14 (20 bits)", "0x10 (16 bits)")


def test_structures_of_one_kind_are_told_apart_by_their_order() -> None:
    text = "capabilities:\n" + "".join(
        f"  - {{cap: vndr, at: {at:#x}, source: synthesized, fields: {{length: 5, data: 'aa bb'}}}}\n"
        for at in (0x40, 0x50, 0x60)
    )
    found = one(
        compare(
            compiled(text),
            compiled(text.replace("'aa bb'}}\n  - {cap: vndr, at: 0x60", "'aa cc'}}\n  - {cap: vndr, at: 0x60")),
        )
    )
    assert (found.path, found.left, found.right) == ("vndr2.data", "aa bb", "aa cc")


def test_hidden_is_absent() -> None:
    text = "capabilities:\n  - {cap: pm, at: 0x40, source: copied}\n  - {cap: vpd, at: 0x50, source: "
    found = compare(compiled(text + "copied}\n"), compiled(text + "hidden, style: unlinked}\n"))
    assert [(d.path, d.left, d.right) for d in found] == [("pm.next", "0x50", "0"), ("vpd", "at 0x50, 8 bytes", "")]


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"size": 1 << 30}, ["bar2.size"]),
        ({"length": 1 << 20}, ["bar2.length"]),
        ({"caching": Caching.WRITE_BACK}, ["bar2.caching"]),
        ({"beyond": Beyond.ERROR}, ["bar2.beyond"]),
        ({"enable": Enable.IGNORE}, ["bar2.enable"]),
        ({"prefetchable": False, "size": None}, ["bar2.prefetchable", "bar2.size"]),
    ],
)
def test_attributes_of_a_bar(change: dict[str, object], paths: list[str]) -> None:
    function = shipped(LAYOUTS / "nvidia" / "gh200.yaml")
    bars = tuple(replace(bar, **change) if bar.index == 2 else bar for bar in function.bars)  # type: ignore[arg-type]
    changed = replace(function, bars=bars)
    assert changed.digest != function.digest
    assert [d.path for d in compare(function, changed)] == paths


def test_a_bar_is_said_once_and_not_again_by_its_register() -> None:
    text = "bars:\n  0: {kind: mem64, size: SIZE, source: synthesized}\n"
    found = compare(compiled(text.replace("SIZE", "4G")), compiled(text.replace("SIZE", "8G")))
    assert [(d.path, d.left, d.right) for d in found] == [
        ("bar0.length", "0x100000000 bytes", "0x200000000 bytes"),
        ("bar0.size", "0x100000000 bytes", "0x200000000 bytes"),
    ]
    none = one(compare(compiled(text.replace("SIZE", "4G")), compiled("")))
    assert (none.path, none.left, none.right) == ("bar0", "mem64, 0x100000000 bytes, uncached, enable bit: enforce", "")
    kinds = compare(
        compiled(text.replace("SIZE", "4K")), compiled(text.replace("mem64, size: SIZE", "mem32, size: 4K"))
    )
    assert [d.path for d in kinds] == ["bar0.kind"]


def test_where_a_bar_comes_from_is_no_part_of_the_contract() -> None:
    text = "physical: {}\nbars:\n  0: {kind: mem32, size: 4K, source: copied, address: 0xfe000000}\n"
    assert compare(compiled(text), compiled(text.replace("copied, address: 0xfe000000", "synthesized"))) == []


def test_regions() -> None:
    text = """
bars:
  4:
    kind: mem64
    size: 1G
    source: synthesized
    backing: {length: 768M, caching: write-back}
"""
    region = text + "    region: {type: 0x800010de, subtype: 1}\n"
    found = one(compare(compiled(region), compiled(region.replace("subtype: 1", "subtype: 2"))))
    assert (found.path, "subtype 1" in found.left, "subtype 2" in found.right) == ("region4", True, True)
    assert found.left_span is not None
    assert found.left_span.line == 8
    assert [d.path for d in compare(compiled(text), compiled(region))] == ["bar4", "region4"]


def test_spaces_of_two_sizes() -> None:
    found = one(compare(compiled(""), compiled("config_size: 4096\n")))
    assert (found.path, found.left, found.right) == ("config_size", "256 bytes", "4096 bytes")


def test_volatile_on_one_side() -> None:
    text = "capabilities:\n  - {cap: pm, at: 0x40, source: copied, volatile: [pmc.aux_current]}\n"
    found = one(compare(compiled(text), compiled(text.replace("pmc.aux_current", ""))))
    assert (found.path, found.offset) == ("pm.pmc.aux_current", 0x42)
    assert (found.left, found.right) == ("0x0 (0mA), not compared", "0x0 (0mA), compared")


def test_bits_that_no_field_names() -> None:
    text = """
capabilities: [{cap: 0x55, at: 0x40, source: synthesized, raw: {0x02: "01 02 03"}}]
bytes: [{at: 0xe0, hex: "05", source: synthesized}]
"""
    found = compare(compiled(text), compiled(text.replace("02 03", "02 04").replace('"05"', '"06"')))
    assert [(d.path, d.left, d.right) for d in found] == [("cap55+0x4", "03", "04"), ("bytes@0xe0+0x0", "05", "06")]
    reserved = 'capabilities: [{cap: pm, at: 0x40, source: copied, raw: {0x04: "04"}}]\n'
    found = compare(compiled(reserved), compiled(reserved.replace('"04"', '"00"')))
    assert [(d.path, d.left, d.right) for d in found] == [("pm+0x4", "04", "00")]


def test_header_types() -> None:
    paths = [d.path for d in compare(compiled(""), compiled("", BRIDGE))]
    assert paths.count("header") == 2


# -- the command ---------------------------------------------------------------------------------------------------


def test_exit_codes_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAD)
    (tmp_path / "b.yaml").write_text(HEAD.replace("0x5678", "0x5679"))
    (tmp_path / "c.yaml").write_text(HEAD.replace("0x5678", "0x56789"))
    run = CliRunner()
    same = run.invoke(app, ["diff", "--raw", str(tmp_path / "a.yaml"), str(tmp_path / "a.yaml")])
    assert (same.exit_code, same.stdout) == (0, "equal: the contracts are the same\n")
    other = run.invoke(app, ["diff", "--raw", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")])
    assert other.exit_code == 1
    assert other.stdout.splitlines() == [
        "different: 1 difference inside the contract",
        f"  - {tmp_path}/a.yaml",
        f"  + {tmp_path}/b.yaml",
        "",
        "header",
        "  header.device at 0x2: Device ID",
        f"    - 0x5678  ({tmp_path}/a.yaml:3:36)",
        f"    + 0x5679  ({tmp_path}/b.yaml:3:36)",
    ]
    assert run.invoke(app, ["diff", "--raw", str(tmp_path / "a.yaml"), str(tmp_path / "c.yaml")]).exit_code == 1
    assert run.invoke(app, ["diff", "--raw", str(tmp_path / "a.yaml")]).exit_code == 2
