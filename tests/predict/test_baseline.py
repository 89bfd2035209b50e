"""`baseline`: one layout for many hosts, true on each of them; and the fewest hosts that have to be left out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.lspci import ROOT
from command import Run
from predict.crafting import Made
from vpci_compile import api, capture, pipeline
from vpci_compile.diagnostics import Failed, Severity, Source
from vpci_compile.host import Baseline, read_device, realize
from vpci_compile.ir import Function
from vpci_compile.stack import Place, predict

CAPTURES = ROOT / "tests/captures"
STACK = "linux-7.2/qemu-11.1"
ATS = 0x1A0
FUZZ = int(os.environ.get("VPCI_FUZZ", "1"))


def compile_text(text: str) -> Function:
    return pipeline.compile_source(Source("baseline.yaml", text), Path("baseline.yaml")).function


def nic(*, ats: bool = True) -> Made:
    """A function with something of each kind: what hardware changes, a serial number, SR-IOV and, if wished, ATS."""
    made = Made().std(0x01, 0x40, "03 00 08 00").std(0x05, 0x50, "80 00").express(0x60)
    made.put(0x64, "a2 80 00 10").put(0x6C, "42 00 00 00").put(0x72, "42 00").put(0x84, "10 00 00 00")
    made.ext(0x01, 0x100, "", version=2).ext(0x03, 0x150, "11 22 33 44 55 66 77 88").ext(0x10, 0x160, "00" * 60)
    return made.ext(0x0F, ATS, "20 00 00 80") if ats else made


def written(folder: Path, hosts: Sequence[bytes]) -> list[Path]:
    paths = [folder / f"host{number}.bin" for number in range(len(hosts))]
    for path, data in zip(paths, hosts, strict=True):
        path.write_bytes(data)
    return paths


def baseline(folder: Path, *hosts: bytes | Made, stack: str = STACK, migratable: bool = False) -> Baseline:
    data = [one.value if isinstance(one, Made) else one for one in hosts]
    return api.baseline(written(folder, data), stack, migratable=migratable)


def inside(answer: Baseline) -> list[str]:
    return list(answer.names.values())


def findings(answer: Baseline) -> list[str]:
    return [line.strip() for line in answer.report().partition("not as on every device:\n")[2].splitlines()]


def realizes(answer: Baseline, path: Path, stack: str = STACK) -> bool:
    """What `build --host` says."""
    assert answer.common is not None
    device = read_device(path, None, path.name)
    try:
        found = realize(compile_text(answer.common.text), device, stack, {})
    except Failed:
        return False
    return all(one.severity is not Severity.ERROR for one in found.diagnostics)


# -- one function --------------------------------------------------------------------------------------------------


def test_two_captures_of_one_model() -> None:
    paths = [CAPTURES / "igb.lspci", CAPTURES / "sysfs/igb"]
    answer = api.baseline(paths, STACK)
    assert answer.whole and inside(answer) == ["igb.lspci", "sysfs/igb"]
    assert all(realizes(answer, path) for path in paths)
    assert findings(answer) == [
        "dropped: ari (0x150 on all 2): QEMU unlinks ARI; its bytes can still be read at 0x150 "
        "[vfio_add_ext_cap, executed]",
        "dropped: sriov (0x160 on all 2): QEMU unlinks SR-IOV; its bytes can still be read at 0x160 "
        "[vfio_add_ext_cap, executed]",
    ]


def test_what_hardware_changes_is_left_open_and_said(tmp_path: Path) -> None:
    answer = baseline(tmp_path, nic(), nic().put(0x72, "41 00").put(0x154, "ff"))
    assert answer.whole
    assert findings(answer)[1:] == [
        "left open: pcie.lnksta.speed at 0x72 (0x1 on host1.bin; 0x2 on host0.bin); the VMM compares it all the same "
        "when a migration comes in",
        "left open: dsn.lower at 0x154 (0x44332211 on host0.bin; 0x443322ff on host1.bin); the VMM compares it all "
        "the same when a migration comes in",
    ]
    assert answer.common is not None and "left open: pcie.lnksta.speed" in answer.common.text.replace("\n#  ", "")


def test_for_a_migration_it_separates_the_hosts(tmp_path: Path) -> None:
    same = nic()
    answer = baseline(tmp_path, same, nic().put(0x154, "ff"), same, migratable=True)
    assert inside(answer) == ["host0.bin", "host2.bin"]
    assert [one.path for left in answer.left_out for one in left.differences] == ["dsn.lower"]
    assert answer.common is not None and answer.common.function.migrates


def test_bytes_between_structures_are_compared_by_qemu_alone(tmp_path: Path) -> None:
    hosts = nic(), nic().put(0x15C, "77")  # behind the serial number
    answer = baseline(tmp_path, *hosts)
    assert answer.whole and answer.common is not None
    assert any("at 0x15c" in row and "the VMM compares it" in row for row in findings(answer))
    assert [(first, end) for first, end, _ in answer.common.function.reserved] == [(0x15C, 0x15D)]
    assert not baseline(tmp_path, *hosts, migratable=True).whole


def test_ats_goes_where_one_host_has_none(tmp_path: Path) -> None:
    answer = baseline(tmp_path, nic(), nic(ats=False))
    assert answer.whole and all(realizes(answer, tmp_path / name) for name in inside(answer))
    assert {one.options["ats"] for one in answer.realized.values()} == {"off"}
    assert any(row.startswith("dropped: ats (0x1a0 on host0.bin; not on host1.bin): QEMU ") for row in findings(answer))


@pytest.mark.parametrize("stack", ["linux-7.2/qemu-11.0", "linux-7.2", "qemu-11.1"])
def test_nothing_else_hides_ats(tmp_path: Path, stack: str) -> None:
    answer = baseline(tmp_path, nic(), nic(ats=False), stack=stack)
    assert inside(answer) == ["host0.bin"]
    assert "ats" in [one.path for left in answer.left_out for one in left.differences]


def test_ids_are_pinned_to_the_most_common(tmp_path: Path) -> None:
    answer = baseline(tmp_path, nic().put(0x2E, "07 00"), nic().put(0x2E, "09 00"), nic().put(0x2E, "09 00"))
    assert answer.whole and all(realizes(answer, tmp_path / name) for name in inside(answer))
    assert "x-pci-sub-device-id" not in answer.realized[1].options
    assert answer.realized[0].options["x-pci-sub-device-id"] == "0x9"
    assert findings(answer)[0] == "pinned: x-pci-sub-device-id=0x9 (0x9 on host1.bin, host2.bin; 0x7 on host0.bin)"


def test_without_an_option_ids_separate(tmp_path: Path) -> None:
    answer = baseline(tmp_path, nic(), nic().put(0x02, "02"), stack="linux-7.2")
    assert inside(answer) == ["host0.bin"]


def test_a_structure_elsewhere_cannot_be_copied(tmp_path: Path) -> None:
    def with_ltr(at: int) -> Made:
        return nic(ats=False).ext(0x18, at, "00 00 00 00")

    answer = baseline(tmp_path, with_ltr(0x200), with_ltr(0x240), with_ltr(0x240))
    assert inside(answer) == ["host1.bin", "host2.bin"]
    found = {one.path: (one.left, one.right) for one in answer.left_out[0].differences}
    assert found["ltr"] == ("at 0x240", "at 0x200")


def test_the_way_out_that_is_told_is_one(tmp_path: Path) -> None:
    moved = nic(ats=False).ext(0x0F, ATS + 0x10, "20 00 00 80")
    paths = written(tmp_path, [nic().value, moved.value])
    (apart,) = (one for one in api.baseline(paths, "linux-7.2/qemu-11.0").diagnostics if one.code == "VPCI2220")
    assert apart.helps == ("QEMU 11.1 and later can hide ATS: --option ats=off",)
    assert len(inside(api.baseline(paths, "linux-7.2/qemu-11.1", options={"ats": "off"}))) == 2


def test_bytes_that_were_taken_out_of_a_capture(tmp_path: Path) -> None:
    whole, redacted = tmp_path / "whole.bin", tmp_path / "redacted.json"
    whole.write_bytes(nic().value)
    document = json.loads((ROOT / "tests/errors/VPCI2220.host.json").read_text(encoding="utf-8"))
    data = nic().put(0x154, "00 00 00 00 00 00 00 00").value
    one = document["functions"][0]
    one["config"] = [f"{at:03x}: {data[at : at + 16].hex(' ')}" for at in range(0, 4096, 16)]
    one["redacted"] = [{"range": "0x154..0x15b", "what": "serial-number"}]
    redacted.write_text(json.dumps(document), encoding="utf-8")
    answer = api.baseline([whole, redacted], STACK)
    assert answer.whole, answer.report()
    assert findings(answer)[-1].startswith("left open: 0x154..0x15b, taken out of redacted.json; the VMM compares it")


# -- layouts among the inputs --------------------------------------------------------------------------------------


def kept(answer: Baseline, path: Path) -> Path:
    assert answer.common is not None
    path.write_text(answer.common.text, encoding="utf-8")
    return path


@pytest.mark.parametrize("migratable", [False, True])
def test_the_baseline_of_a_baseline_is_the_same(tmp_path: Path, migratable: bool) -> None:
    first = baseline(tmp_path, nic(), nic(ats=False), nic().put(0x2E, "07 00"), migratable=migratable)
    assert first.whole and first.common is not None
    layout = kept(first, tmp_path / "first.yaml")
    paths = sorted(tmp_path.glob("*.bin"))
    for inputs in ([layout], [layout, *paths], [*paths, layout]):
        again = api.baseline(inputs, STACK, migratable=migratable, folder=tmp_path)
        assert again.whole and again.common is not None
        assert again.common.function.digest == first.common.function.digest
        assert len(again.names) == len(inputs)


def test_a_host_that_cannot_join_a_layout(tmp_path: Path) -> None:
    layout = kept(baseline(tmp_path, nic(), nic()), tmp_path / "first.yaml")
    other, sized = tmp_path / "other.bin", tmp_path / "sized.bin"
    other.write_bytes(nic().put(0x64, "a1").value)
    sized.write_bytes(nic().put(0x72, "41").value)
    answer = api.baseline([layout, other, sized], STACK, folder=tmp_path)
    assert inside(answer) == ["sized.bin", "first.yaml"]
    assert [(left.host.name, [one.path for one in left.differences]) for left in answer.left_out] == [
        ("other.bin", ["pcie.devcap.mps"])
    ]


def test_a_layout_that_names_other_files_is_extended(tmp_path: Path) -> None:
    first = kept(baseline(tmp_path, nic()), tmp_path / "first.yaml")
    child = tmp_path / "child.yaml"
    child.write_text("extends: first.yaml\nversion: 2\nvpci: 1\ndevice: child\n", encoding="utf-8")
    answer = api.baseline([child], STACK, folder=tmp_path / "out")
    assert answer.common is not None and "extends: ../child.yaml\n" in answer.common.text
    assert answer.common.function.digest == api.load(first).function.digest


def test_a_shipped_layout_is_known_by_its_name(tmp_path: Path) -> None:
    answer = api.baseline(["mellanox/connectx-vf"], STACK, migratable=True, folder=tmp_path)
    assert answer.whole and answer.common is not None
    assert answer.common.function.digest == api.load("mellanox/connectx-vf").function.digest
    again = api.load(kept(answer, tmp_path / "again.yaml")).function
    assert again.digest == answer.common.function.digest


def test_names_of_inputs_move_no_cursor(tmp_path: Path) -> None:
    hostile = tmp_path / "a\x1b[31m\nb.yaml"
    hostile.write_text("vpci: 1\n")
    report = api.baseline([hostile], STACK).report()
    assert report.splitlines()[1:3] == ["not usable:", f"  {tmp_path}/a.[31m b.yaml"]


# -- bad input -----------------------------------------------------------------------------------------------------


def test_bad_inputs_are_named_and_the_rest_is_answered(tmp_path: Path, run: Run) -> None:
    written(tmp_path, [nic().value, nic().value[:64], nic().value[:256], b"", b"hello\n" * 20, nic().value])
    names = ["host0.bin", "host5.bin", "host1.bin", "host2.bin", "host3.bin", "host4.bin", "gone.bin", "./host0.bin"]
    shown = run("baseline", *names, "--stack", STACK, "-o", "x.yaml")
    assert shown.status == 1
    assert "baseline of 7 inputs below linux-7.2/qemu-11.1: 2 of them can present it" in shown.out
    for name in names[2:7]:
        assert re.search(rf"^{re.escape(name)}:1:1: error", shown.err, re.MULTILINE) and f"\n  {name}\n" in shown.out
    assert "given twice, counted once:\n  host0.bin\n" in shown.out
    assert all(realizes(api.baseline(names[:2], STACK), tmp_path / name) for name in names[:2])
    assert (tmp_path / "x.yaml").is_file()


def test_no_input_of_use(tmp_path: Path) -> None:
    answer = baseline(tmp_path, b"", b"x")
    assert answer.common is None and not answer.whole and len(answer.unusable) == 2


# -- for any hosts -------------------------------------------------------------------------------------------------

CHANGES = st.one_of(
    st.tuples(st.integers(0x40, 0x1FF), st.integers(0, 7)),
    st.tuples(st.sampled_from([0x2, 0x8, 0x2C, 0x67, 0x6A, 0x72, 0x104, 0x154, 0x15C, 0x1A4]), st.integers(0, 7)),
)
HOSTS = st.lists(st.tuples(st.booleans(), st.lists(CHANGES, max_size=2)), min_size=1, max_size=3)


def made(ats: bool, changes: Sequence[tuple[int, int]]) -> bytes:
    data = bytearray(nic(ats=ats).value)
    for at, bit in changes:
        data[at] ^= 1 << bit
    return bytes(data)


def most(paths: Sequence[Path]) -> int:
    """How many hosts can be one function at least: the view of each of them is tried as a layout on every host."""
    best = 0
    devices = [read_device(path, None, path.name) for path in paths]
    for device in devices:
        prediction = predict(device.hardware, STACK, Place.PORT)
        if prediction.refusals:
            continue
        read = replace(device.capture, data=prediction.config.value, ids=None, host=None, driver="", dump=())
        text, _ = capture.layout_text(read, compile_text)
        text = re.sub(r"place: (root|conventional)", "place: port", text)  # the place that was asked for
        without = re.sub(r"(- \{cap: ats, +at: 0x1a0, source: )copied.*", r"\1hidden, style: unlinked}", text)
        for tried in {text, without}:
            best = max(best, sum(_shows(tried, other) for other in devices))
    return best


def _shows(text: str, device: object) -> bool:
    try:
        realize(compile_text(text), device, STACK, {})  # type: ignore[arg-type]
    except Failed:
        return False
    return True


@settings(max_examples=8 * FUZZ, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hosts=HOSTS)
def test_true_on_each_and_the_fewest_left_out(tmp_path: Path, hosts: list[tuple[bool, list[tuple[int, int]]]]) -> None:
    paths = written(tmp_path, [made(*host) for host in hosts])
    answer = api.baseline(paths, STACK)
    shown = [path for path in paths if path.name in answer.names.values()]
    assert all(realizes(answer, path) for path in shown)
    assert len(shown) >= most(paths)
    assert len(shown) + len(answer.left_out) + len(answer.unusable) == len(paths)
    assert all(left.differences for left in answer.left_out)
    if answer.common is not None and answer.whole:
        again = api.baseline(paths[::-1], STACK)
        assert again.common is not None and again.common.function.digest == answer.common.function.digest
