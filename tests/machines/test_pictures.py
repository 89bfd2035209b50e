"""Pictures and pages of machines: everything is in them, names are inert, and a real browser shows all of it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from command import Run
from emit import browser
from machines import crafted
from machines.test_shipped import SHIPPED
from vpci_compile import api
from vpci_compile.emit.pages import machine_page, machine_svg
from vpci_compile.ir.topology import System

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>alert(1)</script>&amp;\x1b[31m]]>\N{RIGHT-TO-LEFT OVERRIDE}{{ 1 }}'


def system(path: str | Path) -> System:
    return api.load_machine(path).system


def widths(root: ET.Element, kind: str) -> list[float]:
    return [float(one.attrib["width"]) for one in root.iter(f"{SVG}rect") if one.get("class") == kind]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_part_is_drawn(path: Path) -> None:
    made = system(path)
    text = machine_svg.render(made)
    root = ET.fromstring(text)
    said = [one.text for one in root.iter(f"{SVG}text")]
    parts = [*made.buses, *made.ports, *made.switches, *made.devices]
    assert {one.name for one in parts} <= set(said)
    functions = [one for one in root.iter(f"{SVG}rect") if one.get("class") == "part function"]
    assert len(functions) == len(made.devices)
    assert len(text) < 250_000


def test_windows_are_to_scale() -> None:
    made = system("machines/gb300-four")
    strip = [float(one.attrib["width"]) for one in ET.fromstring(machine_svg.render(made)).iter(f"{SVG}rect")
             if one.get("class") == "window" and one.get("height") == "26"]  # fmt: skip
    assert strip == pytest.approx([(machine_svg.WIDTH - 24) / 8] * 4)  # 1 TiB each, of 8


def test_every_distance_is_there_and_more_is_darker() -> None:
    made = system("machines/gb200-four")
    root = ET.fromstring(machine_svg.render(made))
    cells = {
        title: float(one[1].attrib["fill-opacity"])
        for one in root.iter(f"{SVG}g")
        if (title := one.findtext(f"{SVG}title") or "").startswith("from node")
    }
    assert len(cells) == 34 * 34
    assert cells["from node 0 to 0: 10"] < cells["from node 0 to 1: 40"] < cells["from node 0 to 2: 254"]


def test_more_nodes_than_can_be_shown_are_counted(tmp_path: Path) -> None:
    nodes = "  - {memory: 1M}\n" * (machine_svg.MOST_NODES + 1)
    head = 'vpci: 1\nmachine: x\narchitecture: aarch64\nvmm: {name: qemu, release: "11.1", type: virt}\n'
    (tmp_path / "x.yaml").write_text(f"{head}cpus: 1\nguest_nodes: 4096\nnodes:\n{nodes}distances: {{remote: 20}}\n")
    made = system(tmp_path / "x.yaml")
    assert "Distances between 129 nodes: too many to draw" in machine_svg.render(made)
    assert "<h3>Distances</h3>" not in machine_page.render(made, shown="x.yaml")


@pytest.mark.parametrize("render", [machine_svg.render, lambda one: machine_page.render(one, shown=HOSTILE)])
def test_names_are_inert(render: Callable[[System], str], tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(crafted.ARM.format(about="x"), encoding="utf-8")
    made = system(tmp_path / "x.yaml")
    bad = tuple(
        replace(one, name=HOSTILE) if hasattr(one, "__dataclass_fields__") else one._replace(layout=HOSTILE)
        for one in made.devices
    )
    text = render(replace(made, name=HOSTILE, about=HOSTILE, devices=bad))
    assert "<script>alert" not in text and "\x1b" not in text and "\N{RIGHT-TO-LEFT OVERRIDE}" not in text


def test_the_commands(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("show", "machines/gh200", "--svg", "a.svg").status == 0
    assert Path("a.svg").read_text() == machine_svg.render(system("machines/gh200"))
    assert run("report", "machines/gh200", "-o", "b.html").status == 0
    assert Path("b.html").read_text() == api.report_of_machine("machines/gh200").text
    assert run("report", "machines/gh200", "machines/gb200-region", "-o", "c.html").status == 0
    assert Path("c.html").read_text().count("<svg") == 2
    assert run("report", "machines/gh200", "nvidia/gh200", "-o", "d.html").status == 2
    assert run("report", "machines/gh200", "--slot", "00:01.0", "-o", "d.html").status == 2
    assert not Path("d.html").exists()


def test_the_page_leads_to_the_layouts_of_its_functions() -> None:
    page = api.report_of_machine("machines/gpu-switch").text
    links = re.findall(r'href="#([^"]+)"', page)
    assert all(f'id="{name}"' in page for name in links)
    assert page.count("nvidia-h100-clique: gpu0, gpu1") == 1  # two instances, one map
    assert "21..25" in page and "1T in sum, 2T aligned" in page


# -- in a browser ----------------------------------------------------------------------------------------------------

_MEASURED = """
document.getElementById("judged").textContent = JSON.stringify([...document.querySelectorAll("svg")].map((svg) => {
  const box = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map((one) => [one.textContent, one.getBoundingClientRect()]);
  const over = ([, a], [, b]) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4;
  return {
    name: svg.querySelector("title").textContent,
    out: texts.filter(([, own]) => own.right > box.right || own.left < box.left || own.bottom > box.bottom)
      .map(([text]) => text),
    touching: texts.flatMap((one, at) => texts.slice(at + 1).filter((two) => over(one, two)).map(([b]) => one[0] + b)),
    smallest: Math.min(...texts.map(([, own]) => own.height)),
  };
}));
"""


def test_a_browser_shows_all_of_each_picture(tmp_path: Path) -> None:
    """No text leaves its picture, none covers another, none is too small to be read."""
    pictures = [machine_svg.render(system(path), prefix=f"p{number}") for number, path in enumerate(SHIPPED)]
    page = tmp_path / "page.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><style>svg{{width:640px!important}}</style>{''.join(pictures)}"
        f'<pre id="judged"></pre><script>{_MEASURED}</script>'
    )
    seen = json.loads(browser.judged(page))
    assert len(seen) == len(SHIPPED)
    for one in seen:
        assert (one["out"], one["touching"]) == ([], []), one["name"]
        assert one["smallest"] > 8, one
