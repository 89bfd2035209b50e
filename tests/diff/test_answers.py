"""Verdicts on migrations: what is refused, what a guest sees, what may differ tomorrow, and nothing else.

That QEMU's rule itself is told rightly is shown by real migrations, in tests/migration.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiling import device_layouts
from hosts import Host, answering
from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.diff import Answer, Kind
from vpci_compile.emit.printed import migration_text
from vpci_compile.host import sides
from vpci_compile.host.policy import Accepted
from vpci_compile.host.sides import Side
from vpci_compile.stack import Place

CAPTURES = Path(__file__).parents[1] / "captures"
NAMES = ("e1000e", "igb", "igb-vf", "nvme", "nvme-sriov-vf", "qemu-xhci", "virtio-net-modern", "ich9-ahci", "vmxnet3")
STACKS = ("linux-7.2/qemu-11.1", "linux-6.1/qemu-7.2", "linux-6.12/qemu-10.0", "linux-7.2/cloud-hypervisor-53.0")
BELOW = "linux-7.2/qemu-11.1"


@cache
def captured(name: str, stack: str = BELOW, **options: str) -> Side:
    return api.side(CAPTURES / f"{name}.lspci", below=api.Below(stack, options=options))


def changed(side: Side, bit: int) -> Side:
    """The side of a capture of the same device, with one bit of it the other way round."""
    assert side.capture is not None
    octets = bytearray(side.capture.data)
    octets[bit // 8] ^= 1 << bit % 8
    read = replace(side.capture, data=bytes(octets))
    return sides.of_capture(read, "other", side.stack.name, Place.PORT, side.options)


def there(source: Side, destination: Side, *accepted: Accepted) -> Answer:
    return api.migration(source, destination, accepted).there


def differences(found: Answer) -> list[str]:
    return [one.difference.path for one in found.findings if one.kind is not Kind.UNSTABLE]


# -- properties ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS[:3])
@pytest.mark.parametrize("name", NAMES)
def test_a_function_can_go_where_it_is(name: str, stack: str) -> None:
    side = captured(name, stack)
    for found in api.migration(side, side):
        assert (found.accepted, found.words, differences(found)) == (True, (), [])


@pytest.mark.parametrize("path", device_layouts(), ids=lambda path: path.stem)
def test_so_can_a_layout(path: Path, tmp_path: Path) -> None:
    side = api.side(path)
    assert differences(there(side, side)) == []
    api.build(path, tmp_path)
    again = api.side(next(tmp_path.glob(f"{side.function.name}.json")))
    assert differences(there(side, again)) == differences(there(again, side)) == []
    assert side.check == again.check


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(STACKS[:3]), st.randoms(use_true_random=False))
def test_a_bit_of_what_is_compared_is_found_with_its_field(name: str, stack: str, dice: random.Random) -> None:
    side = captured(name, stack)
    bits = _bodies(side)
    if not bits:
        return
    bit = dice.choice(bits)
    found = there(side, changed(side, bit))
    first = [one for one in found.of(Kind.REJECTED) if one.difference.bits >> bit & 1]
    assert first and not found.accepted
    assert found.words[0].startswith(f"get_pci_config_device: Bad config data: i={bit // 8:#x} ")
    owners = [at for at in side.function.fields_at(bit // 8) if at.bit <= bit < at.bit + at.width]
    assert {at.path for at in owners} <= {one.difference.path for one in first}


def _bodies(side: Side) -> list[int]:
    """The bits that the device answers, that are compared, and that nothing else depends on: what hardware changes."""
    assert side.check is not None
    compared, config = side.check.compared, side.function.config
    return [
        bit
        for structure in side.function.structures
        for at in side.function.fields(structure)
        if at.field.changes is not None
        for bit in range(at.bit, min(at.bit + at.width, 8 * config.size))
        if compared[bit // 8] >> bit % 8 & 1 and not config.emulated[bit // 8] >> bit % 8 & 1
    ]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_a_bit_of_what_nobody_compares_stops_nothing(name: str, dice: random.Random) -> None:
    side = captured(name)
    assert side.check is not None
    config = side.function.config
    free = [
        at
        for at in range(0x40, config.size)
        if not (side.function.owner(at) or side.check.cmask[at] or config.emulated[at]) and at >> 2 != 0x100 >> 2
    ]
    bit = 8 * dice.choice(free) + dice.randrange(8)
    found = there(side, changed(side, bit))
    assert found.accepted
    (one,) = (one for one in found.findings if one.kind is not Kind.UNSTABLE)
    assert one.kind in (Kind.VISIBLE, Kind.HARMLESS) and one.difference.bits >> bit & 1


# -- what is told apart --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "kind", "path"),
    [
        (0x00, Kind.REJECTED, "header.vendor"),
        (0x08, Kind.REJECTED, "header.revision"),
        (0x2C, Kind.VISIBLE, "header.subsystem_vendor"),
        (0x2E, Kind.VISIBLE, "header.subsystem"),
        (0x3D, Kind.VISIBLE, "header.interrupt_pin"),
        (0x3C, Kind.HARMLESS, "header.interrupt_line"),
        (0x0D, Kind.HARMLESS, "header.latency_timer"),
    ],
)
def test_classes(offset: int, kind: Kind, path: str) -> None:
    side = captured("e1000e")
    found = there(side, changed(side, 8 * offset + 1))
    assert [(one.kind, one.difference.path) for one in found.findings if one.kind is not Kind.UNSTABLE] == [
        (kind, path)
    ]


def test_what_is_compared_and_changes_by_itself() -> None:
    paths = {one.difference.path for one in there(captured("e1000e"), captured("e1000e")).of(Kind.UNSTABLE)}
    assert {"pcie.lnksta.speed", "pcie.devsta.ced", "aer.uncor_status.dlp", "dsn.lower"} <= paths
    assert not any(path.startswith(("header.", "msix.", "msi.")) for path in paths)


def test_a_capability_on_one_side_only() -> None:
    """The pointer that leads to it is refused; its bytes are the device's with or without the option."""
    with_ats, without = (captured("virtio-net-modern", BELOW, ats=word) for word in ("on", "off"))
    for found in api.migration(without, with_ats):
        assert [one.difference.path for one in found.of(Kind.REJECTED)] == ["aer.header.next"]
        assert "ats" in {one.difference.path for one in found.of(Kind.VISIBLE)}


def test_sizes_of_bars_are_seen_by_the_guest_alone() -> None:
    side = captured("e1000e")
    assert side.capture is not None
    bars = tuple(replace(bar, size=2 * bar.size) if bar.index == 0 else bar for bar in side.capture.bars)
    data = bytearray(side.capture.data)
    data[0x10:0x14] = bytes(4)
    read = replace(side.capture, bars=bars, data=bytes(data))
    found = there(side, sides.of_capture(read, "other", BELOW, Place.PORT, {}))
    assert found.accepted
    assert {"bar0.size", "bar0.length"} <= {one.difference.path for one in found.of(Kind.VISIBLE)}


def sized(side: Side, *indices: int) -> Side:
    """The side of a capture that says the sizes of the BARs `indices` alone."""
    assert side.capture is not None
    bars = tuple(bar for bar in side.capture.bars if bar.index in indices)
    return sides.of_capture(replace(side.capture, bars=bars), "other", side.stack.name, Place.PORT, side.options)


def test_a_size_that_one_side_does_not_say_is_no_other_size() -> None:
    side = captured("e1000e")
    other = sized(side, 1, 2)
    for found in api.migration(side, other):
        assert found.accepted and not found.of(Kind.VISIBLE)
        assert [one.difference.path for one in found.of(Kind.UNKNOWN)] == ["bar0.size", "bar3.size", "rom.size"]
        text = migration_text.verdict(found)
        assert text == f"can migrate below {BELOW}; whether the guest sees 3 values change is not known"
    assert not there(side, other, Accepted("bar0", "x"), Accepted("bar3.size", "x"), Accepted("rom", "x")).of(
        Kind.UNKNOWN
    )


def test_sizes_that_neither_side_says_are_told_once() -> None:
    side = sized(captured("e1000e"), 1, 2)
    found = there(side, side)
    assert not found.of(Kind.UNKNOWN) and not found.of(Kind.VISIBLE)
    assert found.notes == ("no side says the size of bar0, bar3, rom: whether it is the same is not known",)


def test_what_a_restore_forgets() -> None:
    side = captured("igb", STACKS[3])
    found = there(side, side)
    assert found.accepted and found.words == ()
    assert {"sriov", "ari"} <= {one.difference.path for one in found.of(Kind.VISIBLE)}


def test_vmms_that_do_not_migrate() -> None:
    side = captured("igb", "linux-7.2/crosvm-2026.8")
    found = there(side, side)
    assert not found.accepted
    assert [one.difference.path for one in found.of(Kind.REJECTED)] == ["vmm"]
    other = there(captured("igb"), side)
    assert "one VMM does not read the state of another" in [one.why for one in other.of(Kind.REJECTED)]


# -- outside of configuration space --------------------------------------------------------------------------------


def host_side(folder: Path, **said: object) -> Side:
    """A function of a host that says this of migration."""
    host, slot = Host(folder / "sys"), "0000:01:00.0"
    config = (CAPTURES / "sysfs/e1000e/config").read_bytes()
    host.add(slot, config)
    host.bind(slot, "mlx5_vfio_pci")
    taken = host.take(slot, vfio=answering(config, **said))
    path = folder / "host.capture"
    path.write_text(taken.text)
    return api.side(path)


@pytest.mark.parametrize(
    ("said", "kind", "path", "words"),
    [
        ({"migration": None}, Kind.REJECTED, "host.migration", "VFIO migration is not supported in kernel"),
        (
            {"migration": 3, "logging": False, "hw": (1, 0, 0)},
            Kind.REJECTED,
            "host.dirty_tracking",
            "VFIO device doesn't support device and IOMMU dirty tracking",
        ),
        ({"migration": 1}, Kind.UNSTABLE, "host.p2p", "Multiple VFIO devices migration is supported only if all of"),
        ({"migration": 3}, None, "", ""),
    ],
)
def test_drivers_that_cannot(tmp_path: Path, said: dict[str, object], kind: Kind | None, path: str, words: str) -> None:
    side = host_side(tmp_path, **said)
    found = there(side, side)
    hosts = [one for one in found.findings if one.difference.path.startswith("host.")]
    assert [(one.kind, one.difference.path) for one in hosts] == ([] if kind is None else [(kind, path)])
    assert all(words in one.why for one in hosts)
    assert found.accepted == (kind is not Kind.REJECTED)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"viommu": "on"}, "Migration is currently not supported with vIOMMU enabled"),
        ({"viommu-pasid": "on"}, "Migration is currently not supported with vIOMMU enabled"),
        ({"viommu": "smmuv3-accel"}, "Migration not supported with SMMUv3 accelerator mode enabled"),
    ],
)
def test_a_viommu_blocks(option: dict[str, str], words: str) -> None:
    side = api.side(CAPTURES / "e1000e.lspci", below=api.Below(BELOW, options=option))
    found = there(side, side)
    assert [one.why for one in found.of(Kind.REJECTED)] == [words]


def test_machine_types() -> None:
    old, new = (captured("e1000e", machine=f"pc-q35-{release}") for release in ("9.0", "11.1"))
    found = there(old, new)
    words = "Machine type received is 'pc-q35-9.0' and local is 'pc-q35-11.1'"
    assert [one.why for one in found.of(Kind.REJECTED)] == [words]


# -- what is accepted by somebody ----------------------------------------------------------------------------------


def test_what_is_ignored_is_recorded_and_counts_no_more() -> None:
    side = captured("e1000e")
    other = changed(changed(side, 8 * 0x08), 8 * 0x2E)
    rule = Accepted("header.revision", "--ignore header.revision")
    found = there(side, other, rule)
    assert found.accepted and found.words == ()
    assert [(one.kind, one.difference.path, one.ignored) for one in found.ignored] == [
        (Kind.REJECTED, "header.revision", rule.by)
    ]
    whole = there(side, other, Accepted("header", "x"))
    assert len(whole.ignored) == 2 and not whole.of(Kind.VISIBLE)
    assert not there(side, other, Accepted("head", "x")).ignored
    words = there(side, changed(other, 8 * 0x09), rule).words
    assert words[0].startswith("get_pci_config_device: Bad config data: i=0x9 ")


# -- documents -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_reads_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    api.write_prediction(api.predict(CAPTURES / f"{name}.lspci", BELOW), path)
    side, again = captured(name), api.side(path)
    assert side.check == again.check and again.stack == side.stack
    for source, destination in ((side, again), (again, side)):
        found = there(source, destination)
        assert found.accepted and not found.of(Kind.VISIBLE)


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_of_a_prediction_is_what_the_host_shows(name: str, tmp_path: Path) -> None:
    path, layout = tmp_path / f"{name}.lspci", tmp_path / f"{name}.yaml"
    api.write_prediction(api.predict(CAPTURES / f"{name}.lspci", BELOW), path)
    layout.write_text(api.import_capture(path).text)
    for source, destination in ((api.side(layout), captured(name)), (captured(name), api.side(layout))):
        found = there(source, destination)
        assert found.accepted and not found.of(Kind.VISIBLE)


@pytest.mark.parametrize("text", ["{", '{"digest": 1}', '{"digest": "%s"}' % ("0" * 64), "[]", '{"digest":'])
def test_documents_that_are_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(Failed) as caught:
        api.side(path)
    assert {one.code for one in caught.value.diagnostics} <= {"VPCI1701", "VPCI1715", "VPCI1716"}


# -- memory --------------------------------------------------------------------------------------------------------


def test_a_bar_in_place_of_a_region_breaks_a_guest() -> None:
    """QEMU compares the type bits of a BAR that the destination has; of one that it has not it compares nothing."""
    bars, regions = api.side("nvidia/gh200"), api.side("nvidia/gh200-region")
    found = api.migration(bars, regions)
    for answer in found:
        assert not answer.accepted
        reasons = {one.difference.path: one.why for one in answer.of(Kind.REJECTED)}
        assert {"region2", "region4"} <= set(reasons) and reasons["region4"].startswith("breaking: ")
    assert found.there.words == ()
    words = "get_pci_config_device: Bad config data: i=0x18 read: 0 device: c cmask: ff wmask: 0 w1cmask:0"
    assert found.back.words == (words,)


def test_the_kind_of_a_bar_is_compared_by_its_type_bits() -> None:
    side = captured("nvme")
    assert side.capture is not None and side.capture.data[0x10] & 0xF == 0x4
    wide = sides.of_capture(side.capture, "wide", BELOW, Place.PORT, {})
    octets = bytearray(side.capture.data)
    octets[0x10] |= 0x8
    bars = tuple(replace(bar, prefetchable=True) if bar.index == 0 else bar for bar in side.capture.bars)
    other = sides.of_capture(replace(side.capture, data=bytes(octets), bars=bars), "x", BELOW, Place.PORT, {})
    found = there(wide, other)
    assert [one.difference.path for one in found.of(Kind.REJECTED)] == ["bar0.prefetchable"]
    assert found.words[0].startswith("get_pci_config_device: Bad config data: i=0x10 read: 4 device: c ")
