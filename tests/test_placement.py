"""Where structures without an offset of their own end up, against a reference that tries every offset byte by byte."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiling import EXPRESS, HEAD, LAYOUTS, compiled, diagnostics, places, refusal
from vpci_compile.ir import Function

SPACES = {"capabilities": (0x40, 0x100), "extended": (0x100, 0x1000)}  # PCI 3.0 6.7; PCIe 6.0 7.6.3
# The function of these tests is no PCI Express function, and its extended space may begin with a gap: placement alone
# is in question.
ACCEPTED = "accept: {VPCI1306: a test, VPCI1310: a test}\nconfig_size: 4096\n"


@dataclass(frozen=True)
class One:
    """A structure of `length` bytes, pinned at `at` or left open."""

    length: int
    at: int | None = None


@dataclass(frozen=True)
class Plan:
    """A layout in numbers; `taken` are runs (kind, first, length in bytes) that placement keeps away from."""

    capabilities: tuple[One, ...] = ()
    extended: tuple[One, ...] = ()
    taken: tuple[tuple[str, int, int], ...] = ()
    image: bytes = field(default=b"", repr=False)

    def text(self, capture: str = "") -> str:
        lines = [ACCEPTED]
        for key, base in (("capabilities", 0x80), ("extended", 0x8000)):
            lines.append(f"{key}:" + ("" if getattr(self, key) else " []"))
            for number, one in enumerate(getattr(self, key)):
                at = "" if one.at is None else f"at: {one.at:#x}, "
                lines.append(f"  - {{cap: {base + number:#x}, {at}length: {one.length}, source: synthesized}}")
        of = {kind: [(at, size) for own, at, size in self.taken if own == kind] for kind, _, _ in self.taken}
        reserved = [f"{{range: {at:#x}..{at + size - 1:#x}, why: a test}}" for at, size in of.get("reserved", [])]
        loose = [f'{{at: {at:#x}, hex: "{"00" * size}", source: synthesized}}' for at, size in of.get("bytes", [])]
        used = [f"{at:#x}..{at + size - 1:#x}" for at, size in of.get("used", [])]
        own = [f"{at:#x}: {0x7F00 + at}" for at, _ in of.get("device", [])]
        lines += [f"reserved: [{', '.join(reserved)}]", f"bytes: [{', '.join(loose)}]"]
        lines.append(f"physical: {{used: [{', '.join(used)}], extended: {{{', '.join(own)}}}{capture}}}")
        return "\n".join(lines) + "\n"

    def busy(self) -> set[int]:
        found = set(range(0x40))  # the header
        for _, at, size in self.taken:
            found.update(range(at, at + size))
        found.update(at for at, octet in enumerate(self.image) if octet)
        for one in (*self.capabilities, *self.extended):
            if one.at is not None:
                found.update(range(one.at, one.at + one.length))
        return found

    def expected(self) -> dict[str, list[int | None]]:
        """The first free run of dwords for each, in the order of the lists; None where there is none.

        Extended ones but the first in the list take the last free run.
        """
        busy, found = self.busy(), {}
        for key, (low, high) in SPACES.items():
            offsets: list[int | None] = []
            for number, one in enumerate(getattr(self, key)):
                offset = one.at
                if offset is None:
                    fits = [
                        at for at in range(low, high - one.length + 1, 4) if busy.isdisjoint(range(at, at + one.length))
                    ]
                    last = key == "extended" and number > 0
                    offset = (fits[-1] if last else fits[0]) if fits else None
                    busy.update(range(offset, offset + one.length) if offset is not None else ())
                offsets.append(offset)
            found[key] = offsets
        return found


@st.composite
def plans(draw: st.DrawFn, captured: bool = False) -> Plan:
    """Blocks on a grid of 8 bytes, some of them pinned structures, some of them taken; the rest is room."""
    size = 8
    cells = list(range(0x40, 0x100, size)) + list(range(0x100, 0x180, size))
    chosen = draw(st.lists(st.sampled_from(cells), unique=True, max_size=24))
    pinned: dict[str, list[One]] = {"capabilities": [], "extended": []}
    taken: list[tuple[str, int, int]] = [("reserved", 0x180, 0xE80)] if draw(st.booleans()) else []
    image = bytearray(4096 if captured else 0)
    for at in chosen:
        key = "capabilities" if at < 0x100 else "extended"
        kind = draw(st.sampled_from(("pinned", "reserved", "bytes", "used", "device", "image")))
        if kind == "pinned":
            pinned[key].append(One(draw(st.integers(4, size)), at))
        elif kind == "image" and captured:
            image[at + draw(st.integers(0, size - 1))] = draw(st.integers(1, 255))
        elif kind == "device" and at >= 0x100:
            taken.append(("device", at, 4))  # an unknown id: its header is known to be there
        elif kind in ("reserved", "bytes", "used"):
            start = draw(st.integers(0, size - 1))
            taken.append((kind, at + start, draw(st.integers(1, size - start))))
    lists: dict[str, tuple[One, ...]] = {}
    for key in pinned:
        loose = [One(draw(st.integers(4, 40))) for _ in range(draw(st.integers(0, 6)))]
        lists[key] = tuple(draw(st.permutations([*pinned[key], *loose])))
    return Plan(**lists, taken=tuple(taken), image=bytes(image))


def _found(function: Function) -> dict[str, list[int | None]]:
    rows: dict[str, list[int | None]] = {"capabilities": [], "extended": []}
    for one in function.structures:
        if one.kind in ("standard", "extended"):
            rows["capabilities" if one.kind == "standard" else "extended"].append(one.offset)
    return rows


@settings(max_examples=150, deadline=None)
@given(plans())
def test_each_goes_into_the_first_gap_that_fits(plan: Plan) -> None:
    _judge(plan, plan.text())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans(captured=True))
def test_bytes_of_the_device_that_are_not_zero_are_kept_free(plan: Plan, tmp_path: Path) -> None:
    image = b"\x34\x12\x78\x56" + plan.image[4:]  # somebody answers
    (tmp_path / "device.bin").write_bytes(image)
    _judge(plan, plan.text(", capture: device.bin"), tmp_path)


def _judge(plan: Plan, text: str, folder: Path = LAYOUTS) -> None:
    expected = plan.expected()
    missing = sum(offsets.count(None) for offsets in expected.values())
    if missing:
        assert refusal(text, folder=folder) == ["VPCI1305"] * missing
        return
    function = compiled(text, folder=folder)
    assert _found(function) == expected
    assert _found(compiled(text, folder=folder)) == expected
    taken = plan.busy()
    for one, key in ((o, k) for k in SPACES for o in zip(getattr(plan, k), expected[k], strict=True)):
        structure, offset = one
        low, high = SPACES[key]
        assert offset is not None
        assert low <= offset
        assert offset + structure.length <= high
        if structure.at is None:
            assert offset % 4 == 0
            assert taken.isdisjoint(range(offset, offset + structure.length))
            taken.update(range(offset, offset + structure.length))
        else:
            assert offset == structure.at


@settings(max_examples=100, deadline=None)
@given(plans(), st.sampled_from(list(SPACES)), st.integers(4, 40))
def test_a_structure_that_is_added_moves_no_other(plan: Plan, key: str, length: int) -> None:
    if any(None in offsets for offsets in plan.expected().values()):
        return
    before = _found(compiled(plan.text()))
    longer = (*getattr(plan, key), One(length))
    more = replace(plan, capabilities=longer) if key == "capabilities" else replace(plan, extended=longer)
    if None in more.expected()[key]:
        assert refusal(more.text()) == ["VPCI1305"]
        return
    after = _found(compiled(more.text()))
    assert after[key][:-1] == before[key]
    (other,) = (name for name in SPACES if name != key)
    assert after[other] == before[other]


# -- what the diagnostics say, and cases worth a name --------------------------------------------------------------


def test_no_room() -> None:
    text = (
        "reserved: [{range: 0x48..0xff, why: a test}]\ncapabilities: [{cap: 0x80, length: 12, source: synthesized}]\n"
    )
    (found,) = diagnostics(text)
    assert found.code == "VPCI1305"
    assert "12 bytes" in found.message
    assert "0x40..0xff" in found.message
    assert places(compiled(text.replace("12", "8")))["cap80"] == 0x40


def test_the_first_extended_structure_goes_to_the_head_and_the_others_to_the_end() -> None:
    function = compiled(
        EXPRESS + "extended:\n  - {cap: dsn, source: synthesized}\n  - {cap: acs, source: synthesized}\n"
    )
    assert (places(function)["dsn"], places(function)["acs"]) == (0x100, 0xFF8)


def test_a_pinned_structure_comes_first_wherever_it_stands_in_the_list() -> None:
    text = "capabilities:\n  - {cap: pm, source: synthesized}\n  - {cap: vpd, at: 0x44, source: synthesized}\n"
    function = compiled(text)
    assert (places(function)["vpd"], places(function)["pm"]) == (0x44, 0x4C)
    assert function.config.value[0x34] == 0x4C  # the chain is the order of the list all the same


def test_a_hidden_structure_keeps_its_place() -> None:
    text = (
        "capabilities:\n  - {cap: vpd, at: 0x40, source: hidden, style: zeroed}\n  - {cap: pm, source: synthesized}\n"
    )
    assert places(compiled(text))["pm"] == 0x48


def test_a_structure_of_odd_length_leaves_the_rest_of_its_dword_alone() -> None:
    text = "capabilities:\n  - {cap: msi, source: synthesized}\n  - {cap: pm, source: synthesized}\n"
    assert places(compiled(text))["pm"] == 0x4C  # MSI is 10 bytes


@pytest.mark.parametrize("entry", ["{cap: pm, source: copied}", "{cap: pm, source: hidden, style: unlinked}"])
def test_only_what_is_synthesized_can_be_placed(entry: str) -> None:
    assert refusal(f"capabilities: [{entry}]\n") == ["VPCI1110"]


def test_placement_does_not_depend_on_keys_elsewhere() -> None:
    text = "capabilities: [{cap: pm, source: synthesized}]\nreserved: [{range: 0x40..0x43, why: a test}]\n"
    turned = "\n".join(reversed(text.strip().splitlines())) + "\n"
    assert places(compiled(text)) == places(compiled(turned, HEAD))
