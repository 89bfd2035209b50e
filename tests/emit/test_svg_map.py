"""The picture of a configuration space: to scale, inert, the same bytes each time, and legible in a real browser."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

import factory
from compiling import EXPRESS, compiled, whole_layouts
from emit import browser
from vpci_compile import api
from vpci_compile.emit.pages import svg_map
from vpci_compile.ir import Function

SVG = "{http://www.w3.org/2000/svg}"
SHIPPED = whole_layouts()
HOSTILE = '"><script>alert(1)</script>&amp;\x1b[31m]]>‮'


def tree(function: Function) -> ET.Element:
    return ET.fromstring(svg_map.render(function))


def drawn(root: ET.Element, structure: str) -> float:
    """Width of all rectangles of a structure in the map, in units."""
    groups = [one for one in root.findall(f"{SVG}g") if (one.findtext(f"{SVG}title") or "").startswith(f"{structure}:")]
    boxes = [box for box in groups[0].findall(f"{SVG}rect") if box.get("class") != "plate"]
    return sum(float(box.attrib["width"]) for box in boxes)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_structure_is_drawn_to_scale(path: Path) -> None:
    function = api.check(path).function
    root = tree(function)
    for one in function.structures:
        assert drawn(root, one.name) == pytest.approx(2 * one.length), one.name
    said = "".join(root.itertext())
    assert function.digest[:12] in said
    assert all(f"BAR {bar.index}" in said for bar in function.bars if bar.index < 6)
    assert len(svg_map.render(function)) < 28_000 + 600 * len(function.structures)


def test_the_hover_title_has_registers_and_fields() -> None:
    titles = [one.text or "" for one in tree(api.check("nvidia/gh200").function).iter(f"{SVG}title")]
    (pcie,) = (text for text in titles if text.startswith("pcie:") and "\n" in text)
    assert "0x068 pcie.devctl = 0x" in pcie
    assert "table_size=" in next(text for text in titles if text.startswith("msix:") and "\n" in text)


def test_what_a_bar_means_is_said() -> None:
    said = " ".join(" ".join(tree(api.check("nvidia/gh200").function).itertext()).split())
    assert "94.5 GiB real, past it an access reads ones, drops writes; write-back" in said
    assert "only the first access after a reset needs the memory enable bit" in said


def test_no_memory_is_drawn_where_nobody_says_how_much_there_is() -> None:
    function = api.check("nvidia/gh200").function
    bars = tuple(replace(bar, size=None, length=None) if bar.index == 4 else bar for bar in function.bars)
    groups = {one.findtext(f"{SVG}title") or "": one for one in tree(replace(function, bars=bars)).findall(f"{SVG}g")}
    kinds = {name[:5]: [box.get("class") for box in one.findall(f"{SVG}rect")] for name, one in groups.items()}
    assert (kinds["BAR 0"], kinds["BAR 2"], kinds["BAR 4"]) == (["copied"], ["tail", "synthesized"], ["tail"])


def test_names_are_inert() -> None:
    function = compiled(EXPRESS + "extended:\n  - {cap: dsn, at: 0x100, source: synthesized}\n")
    bad = [replace(one, name=f"{HOSTILE}{number}") for number, one in enumerate(function.structures)]
    text = svg_map.render(
        replace(function, name=HOSTILE, structures=tuple(bad), reserved=((0xE0, 0xE8, HOSTILE),)),
        marks=[svg_map.Mark(0, 4, "rejected", HOSTILE)],
    )
    root = ET.fromstring(text)
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        "svg",
        "title",
        "desc",
        "style",
        "defs",
        "pattern",
        "path",
        "rect",
        "text",
        "g",
    }
    assert "\x1b" not in text and "\N{RIGHT-TO-LEFT OVERRIDE}" not in text


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(factory.functions())
def test_every_function_has_a_picture(function: Function) -> None:
    assume(function.structures)  # a function has a header
    text = svg_map.render(function)
    ET.fromstring(text)
    assert text == svg_map.render(function)


_MEASURED = """
document.getElementById("judged").textContent = JSON.stringify([...document.querySelectorAll("svg")].map((svg) => {
  const box = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map((one) => [one.textContent, one.getBoundingClientRect()]);
  const out = texts.filter(([, own]) => own.right > box.right || own.left < box.left || own.bottom > box.bottom);
  return {
    name: svg.querySelector("title").textContent,
    width: box.width,
    out: out.map(([text]) => text),
    smallest: Math.min(...texts.map(([, own]) => own.height)),
  };
}));
"""


@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_all_of_it(tmp_path: Path, width: int) -> None:
    """No text leaves the picture, and none is too small to be read, on a telephone and on a screen."""
    pictures = [svg_map.render(api.check(path).function, prefix=f"p{number}") for number, path in enumerate(SHIPPED)]
    style = f"<style>body{{margin:0}}svg{{width:{width}px!important}}</style>"
    page = tmp_path / "page.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8>{style}{''.join(pictures)}"
        f'<pre id="judged"></pre><script>{_MEASURED}</script>'
    )
    seen = json.loads(browser.judged(page, width=width))
    assert len(seen) == len(SHIPPED)
    for one in seen:
        assert one["out"] == [], one
        assert one["width"] == width
        assert one["smallest"] > 8, one
