"""Libraries: versions that stay, personas that pin them, folders of the user's, and what `layouts` says of it all.

tests/published.json knows the contract of every published version. VPCI_ACCEPT=1 adds new ones to it and changes none.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from command import Run
from compiling import LAYOUTS, ROOT
from rights import open_folder, ordinary_user
from vpci_compile import api
from vpci_compile.catalog import libraries
from vpci_compile.diagnostics import Failed

PUBLISHED = ROOT / "tests" / "published.json"
ACCEPT = os.environ.get("VPCI_ACCEPT") == "1"
SHIPPED = [name for name in libraries.layouts() if not libraries.is_base(name)]


def contracts() -> dict[str, str]:
    return {f"{name.partition('@')[0]}@{libraries.version(LAYOUTS / f'{name}.yaml')}": name for name in SHIPPED}


def test_a_published_version_is_never_edited() -> None:
    known = json.loads(PUBLISHED.read_text(encoding="utf-8")) if PUBLISHED.exists() else {}
    found = {pin: api.load(name).function.digest for pin, name in contracts().items()}
    if ACCEPT:
        known = dict(sorted((found | known).items()))
        PUBLISHED.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    changed = {pin for pin in known if pin in found and found[pin] != known[pin]}
    assert not changed, "give it a new version, and keep the old one beside it as name@N.yaml"
    assert set(known) == set(found), "a published version stays; VPCI_ACCEPT=1 takes a new one over"


def test_every_layout_says_its_version_and_its_sources() -> None:
    for name in SHIPPED:
        text = (LAYOUTS / f"{name}.yaml").read_text(encoding="utf-8")
        assert name == "minimal" or re.search(r"^version: [1-9]", text, re.MULTILINE), name
        assert name == "minimal" or len(libraries.remarks(LAYOUTS / f"{name}.yaml")) >= 1, name


def test_the_pin_of_the_newest_version_is_the_layout_itself() -> None:
    for pin, name in contracts().items():
        assert api.load(pin).function.digest == api.load(name).function.digest


def test_a_persona_pins_its_layout() -> None:
    persona, pinned = api.load("instance/n4").function, api.load("generic/sriov-vf-pasid@1").function
    differences = {one.path for one in api.compare(persona, pinned)}
    assert differences == {"header.subsystem_vendor", "header.subsystem"}


# -- a library of the user's ---------------------------------------------------------------------------------------

NIC = """# Source: made up.
vpci: 1
device: nic
version: {version}
about: a NIC
identity: {{vendor: 0x1234, device: {device}, class: 0x020000}}
migration: {{migrates: true}}
targets: []
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """acme/nic, version 2, with version 1 beside it."""
    folder = tmp_path / "library"
    (folder / "acme").mkdir(parents=True)
    (folder / "acme/nic.yaml").write_text(NIC.format(version=2, device="0x0002"), encoding="utf-8")
    (folder / "acme/nic@1.yaml").write_text(NIC.format(version=1, device="0x0001"), encoding="utf-8")
    monkeypatch.setenv("VPCI_LIBRARY", str(folder))
    return folder


def device(name: str) -> int:
    return int.from_bytes(api.load(name).function.config.value[2:4], "little")


@pytest.mark.usefixtures("own")
def test_versions_stand_beside_one_another() -> None:
    assert [device(name) for name in ("acme/nic", "acme/nic@2", "acme/nic@1")] == [2, 2, 1]
    assert api.check("acme/nic@1").function.version == 1
    with pytest.raises(Failed, match=r"VPCI1121: .*'acme/nic@3'"):
        api.load("acme/nic@3") if api.is_layout("acme/nic@3") else api.check("acme/nic@3")


def test_a_layout_pins_a_version_of_another_library(own: Path) -> None:
    text = "vpci: 1\ndevice: mine\nextends: acme/nic@1\nmigration: {migrates: true}\n"
    path = own.parent / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    assert device(str(path)) == 1
    (own / "acme/nic@1.yaml").unlink()
    with pytest.raises(Failed, match="VPCI1121"):
        api.load(path)


def test_the_users_own_comes_first(own: Path) -> None:
    (own / "minimal.yaml").write_text(NIC.format(version=1, device="0x0042"), encoding="utf-8")
    assert device("minimal") == 0x42
    (own / "quirks").mkdir()
    assert "minimal" in [one.name for one in api.layouts(0x1234, 0x42).entries]


def test_several_libraries(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    (other / "acme").mkdir(parents=True)
    (other / "acme/nic.yaml").write_text(NIC.format(version=9, device="0x0009"), encoding="utf-8")
    monkeypatch.setenv("VPCI_LIBRARY", f"{other}{os.pathsep}{own}")
    assert [device(name) for name in ("acme/nic", "acme/nic@1", "acme/nic@2")] == [9, 1, 2]
    assert libraries.versions("acme/nic") == ["9", "2", "1"]


# -- the commands --------------------------------------------------------------------------------------------------


def test_list_and_search(own: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.delenv("VPCI_LIBRARY")
    status, text, _ = run("layouts", "list")
    assert status == 0 and {line.partition("@")[0] for line in text.splitlines()} == {*SHIPPED, *libraries.machines()}
    found = run("--library", own, "layouts", "list", "--id", "1234:0002")
    assert found == (0, "acme/nic@2  1234:0002  a NIC\n", "")
    found = run("--library", own, "layouts", "list", "--id", "1234:0001", "--all")
    assert found.status == 0 and "acme/nic@1  1234:0001  a NIC\n" in found.out
    rows = json.loads(run("layouts", "list", "--id", ":1041", "--format", "json").out)
    assert [row["ids"] for row in rows if row["name"] == "virtio/net-vf-transitional"] == [["1af4:1000", "1af4:1041"]]
    assert run("layouts", "list", "--id", "ffee:").status == 1
    assert run("layouts", "list", "--id", "nvidia").status == 2
    assert run("layouts", "list", "--format", "sarif").status == 2


def test_a_broken_layout_does_not_hide_the_others(own: Path, run: Run) -> None:
    (own / "broken.yaml").write_text("vpci: [\n", encoding="utf-8")
    said = run("layouts", "list")
    assert said.status == 1 and "acme/nic@2" in said.out and "broken.yaml" in said.err


@pytest.mark.usefixtures("own")
def test_show(run: Run) -> None:
    status, text, _ = run("layouts", "show", "acme/nic@1")
    assert status == 0
    assert "version   1 of 2, 1\n" in text and "Source: made up." in text
    assert api.load("acme/nic@1").function.digest in text
    assert run("layouts", "show", "nvidia/gh20").status == 1


def test_a_library_of_one_command_is_forgotten(own: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.delenv("VPCI_LIBRARY")
    assert run("--library", own, "check", "acme/nic").status == 0
    with pytest.raises(Failed):
        api.check("acme/nic")


def test_a_library_that_is_closed_is_not_an_empty_one(run: Run) -> None:
    run("layouts", "list")  # everything is imported
    with open_folder() as folder:
        closed = folder / "closed"
        closed.mkdir(0)
        with ordinary_user():
            done = run("--library", closed, "layouts", "list")
    assert done.status == 1 and "error[VPCI1120]" in done.err and "is closed to us" in done.err


def test_machines_are_listed_and_found_by_the_ids_of_their_functions() -> None:
    every = {one.name: one for one in api.layouts().entries}
    machines = [one.name for one in every.values() if one.name.startswith("machines/")]
    assert machines == sorted(f"machines/{path.stem}" for path in (ROOT / "layouts/machines").glob("*.yaml"))
    assert every["machines/gpu-switch"].ids == ((0x10DE, 0x2330), (0x15B3, 0x101E))
    found = [one.name for one in api.layouts(0x15B3).entries]
    assert "machines/gpu-switch" in found and "machines/gh200" not in found


def test_the_card_of_a_machine_has_its_sources_and_no_contract() -> None:
    card = api.layout_card("machines/gh200")
    assert card.contract is None and card.remarks[0].startswith("One Grace Hopper")


def test_a_machine_is_no_function() -> None:
    with pytest.raises(Failed) as found:
        api.check("machines/gh200")
    assert [one.code for one in found.value.diagnostics] == ["VPCI1007"]
