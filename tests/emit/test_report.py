"""The pages of `report`: they say what `explain` and `diff` say, need only themselves, and work in a real browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from command import Run
from compiling import EXPRESS, compiled
from emit import browser
from vpci_compile import api
from vpci_compile.emit.pages import report, report_parts, svg_map
from vpci_compile.emit.printed import migration_json
from vpci_compile.ir import Function

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'\x1b\N{RIGHT-TO-LEFT OVERRIDE}{{ 1 }}"


class Page(HTMLParser):
    """The elements of a page: (tag, attributes), and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += f" {data.strip()}" if data.strip() else ""

    def all(self, name: str) -> list[str]:
        return [value for _, given in self.elements for key, value in given.items() if key == name and value]


def migration(source: str, destination: str) -> str:
    ours, theirs = api.side(CAPTURES / source), api.side(CAPTURES / destination)
    return report.migration_page(api.migration(ours, theirs), (ours.function, theirs.arriving))


def gh200() -> Function:
    return api.check("nvidia/gh200").function


PAGES = {
    "layout": lambda: report.function_page(gh200(), shown="gh200.yaml"),
    "migration": lambda: migration("nvme-sriov.lspci", "nvme.lspci"),
    "machine": lambda: api.report_of_machine("machines/gb200-four").text,
    "machines": lambda: api.report_of_machines("machines/gb200-four", "machines/gb300-four").text,
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_needs_nothing_but_itself(kind: str) -> None:
    text = PAGES[kind]()
    page = Page(text)
    assert text == PAGES[kind]()
    assert not page.all("src") and not page.all("style")
    assert not {"link", "iframe", "object", "embed", "base", "form", "img", "image", "use"} & {
        t for t, _ in page.elements
    }
    assert re.findall(r"(?:https?:)?//[a-z][^\s\"'<]*", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert "url(" not in text.replace("url(#", "") and "@import" not in text
    policy = next(given["content"] for tag, given in page.elements if tag == "meta" and "http-equiv" in given)
    assert policy and policy.startswith("default-src 'none'; ") and "unsafe" not in policy


@pytest.mark.parametrize("kind", PAGES)
def test_every_link_leads_somewhere(kind: str) -> None:
    page = Page(PAGES[kind]())
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    links = page.all("href")
    assert links and all(link.startswith("#") and link[1:] in ids for link in links)
    for name in page.all("aria-labelledby"):
        assert set(name.split()) <= set(ids)


def test_every_byte_and_every_field_is_there() -> None:
    function = gh200()
    lines = report_parts.dump(function)
    octets: list[str] = []
    for line in lines:
        row = " ".join(piece.text for piece in line.pieces).split()
        again = re.search(r"same up to (0x[0-9a-f]+)", line.note)
        octets += row * (((int(again[1], 16) + 1 - int(line.where, 16)) // 16) if again else 1)
    assert "".join(octets) == function.config.value.hex()
    said = PAGES["layout"]()
    for structure in function.structures:
        for one in function.fields(structure):
            assert f">{one.field.name}</span>" in said, one.path
    assert "94.5 GiB" in said and "reads ones, drops writes" in said
    assert "only the first access after a reset needs the memory enable bit" in said


def test_what_a_stack_changed_is_said_where_it_did() -> None:
    predicted = api.predict(CAPTURES / "nvme.lspci", "linux-7.2/qemu-11.1")
    changes = predicted.prediction.changes
    assert changes
    page = report.function_page(predicted.function, shown="nvme.lspci", stack="linux-7.2/qemu-11.1", changes=changes)
    said = Page(page).said
    assert all(one.text in said and one.source in said for one in changes)
    assert 'class="change"' in page


@pytest.mark.parametrize(
    ("source", "destination"), [("nvme-sriov.lspci", "nvme.lspci"), ("igb.lspci", "e1000e.lspci"), ("edu.lspci",) * 2]
)
def test_the_page_says_what_diff_says(source: str, destination: str) -> None:
    found = api.migration(api.side(CAPTURES / source), api.side(CAPTURES / destination))
    said: dict[str, Any] = json.loads(migration_json.render(found))
    text = migration(source, destination)
    page = Page(text)
    for one in said["there"]["findings"]:
        assert one["path"] in page.said, one
    for words in (*said["there"]["words"], *said["back"]["words"]):
        assert words in page.said
    kinds = {one["class"] for one in said["there"]["findings"]}
    assert kinds == {"rejected", "guest-visible", "unstable", "harmless"} & set(page.all("id"))


def test_names_are_inert() -> None:
    text = EXPRESS + "bars:\n  0: {kind: mem32, size: 4K, source: synthesized}\n"
    function = compiled(text)
    bad = replace(
        function,
        name=HOSTILE,
        about=HOSTILE,
        structures=tuple(replace(one, name=f"{one.name}{HOSTILE}") for one in function.structures),
        reserved=((0xE0, 0xE8, HOSTILE),),
    )
    made = report.function_page(bad, shown=HOSTILE, stack=HOSTILE)
    ours = api.side(CAPTURES / "edu.lspci")
    other = replace(ours.function, name=HOSTILE, structures=bad.structures)
    found = api.migration(ours._replace(name=HOSTILE), ours._replace(name=HOSTILE, function=other, arriving=other))
    for page_text in (made, report.migration_page(found, (other, bad))):
        page = Page(page_text)
        tags = [tag for tag, _ in page.elements]
        assert tags.count("script") == 1 and "img" not in tags
        assert not [name for _, given in page.elements for name in given if name.startswith("on")]
        assert "\x1b" not in page_text and "\N{RIGHT-TO-LEFT OVERRIDE}" not in page_text
        assert "alert(1)" in page.said


def test_the_command(tmp_path: Path, run: Run) -> None:
    nvme, other = str(CAPTURES / "nvme.lspci"), str(CAPTURES / "nvme-sriov.lspci")
    assert run("report", "nvidia/gh200", "-o", "a.html").status == 0
    assert Path("a.html").read_text() == report.function_page(gh200(), shown="gh200")
    assert run("report", nvme, "--stack", "linux-7.2/qemu-11.1", "-o", "b.html").status == 0
    assert run("predict", nvme, "--stack", "linux-7.2/qemu-11.1", "-o", "p.json").status == 0
    assert run("report", "p.json", "-o", "c.html").status == 0
    both = [re.findall(r'class="change">([^<]*)', Path(name).read_text()) for name in ("b.html", "c.html")]
    assert both[0] and both[0] == both[1]
    assert run("report", nvme, other, "-o", "d.html").status == 0
    assert str(CAPTURES) not in Path("d.html").read_text()
    alone = run("report", nvme, "--dst-stack", "linux-7.2", "-o", "e.html")
    assert alone.status == 2 and "this is about a destination: name it" in alone.err
    assert run("report", "nosuch.yaml", "-o", "f.html").status == 1
    assert not list(tmp_path.glob("[ef].*"))


def test_from_python() -> None:
    nvme = CAPTURES / "nvme.lspci"
    below = api.Below("linux-7.2/qemu-11.1")
    assert api.report("nvidia/gh200").text == report.function_page(gh200(), shown="gh200")
    assert "linux-7.2/qemu-11.1" in api.report(nvme, below=below).text
    assert api.picture("nvidia/gh200").text == svg_map.render(gh200())
    assert api.picture(nvme).text != api.picture(nvme, below=below).text  # what the stack hides
    ours, theirs = api.side(CAPTURES / "nvme-sriov.lspci"), api.side(nvme)
    assert api.report_of_migration(ours, theirs).text == migration("nvme-sriov.lspci", "nvme.lspci")
    with pytest.raises(ValueError, match="is no program with its release"):
        api.report(nvme, below=api.Below("linux-1/qemu-1"))


# -- in a browser ----------------------------------------------------------------------------------------------------

_BLOCKED = re.compile(r"Content Security Policy|Refused to|violates")


@pytest.mark.parametrize("kind", PAGES)
def test_the_policy_lets_its_own_script_run_and_nothing_else(tmp_path: Path, kind: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGES[kind]())
    shown = browser.run(page, "--dump-dom", "--enable-logging=stderr", log=tmp_path / "log")
    assert '<html lang="en" class="js">' in shown
    assert not _BLOCKED.search((tmp_path / "log").read_text())
    foreign = '<script>document.title = "broken into"</script><img src="http://192.0.2.1/x.png"></main>'
    page.write_text(PAGES[kind]().replace("</main>", foreign))
    shown = browser.run(page, "--dump-dom", "--enable-logging=stderr", log=tmp_path / "log")
    assert "<title>broken into" not in shown
    assert _BLOCKED.search((tmp_path / "log").read_text())


_TRIED = """
addEventListener("load", () => {
  const seen = {wide: document.documentElement.scrollWidth, shown: []};
  const panel = document.getElementById("panel");
  for (const link of panel ? document.querySelectorAll(".dump a") : []) {
    link.dispatchEvent(new MouseEvent("mouseenter"));
    const path = link.title.split(" at ")[0];
    if (!panel.textContent.includes(path.split(":")[0])) seen.shown.push(path);
  }
  if (panel) {
    const [first, second] = document.querySelectorAll(".dump a");
    first.focus();
    first.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
    seen.stepped = document.activeElement === second;
    second.dispatchEvent(new MouseEvent("mouseenter"));
    seen.panel = panel.textContent;
  }
  document.getElementById("judged").textContent = JSON.stringify(seen);
});
"""


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("kind", PAGES)
def test_it_fits_and_shows_what_is_pointed_at(tmp_path: Path, kind: str, width: int) -> None:
    """No page is wider than the window, and each run of bytes shows its register."""
    page = tmp_path / "page.html"
    ours = re.sub(r"<meta http-equiv[^>]*>", "", PAGES[kind]())  # else the policy keeps the question out
    page.write_text(ours.replace("</body>", f'<pre id="judged" hidden></pre><script>{_TRIED}</script></body>'))
    seen = json.loads(browser.judged(page, width=width))
    assert seen["wide"] <= max(width, 500)  # narrower than 500 a headless window is not
    assert seen["shown"] == []
    if kind == "layout":
        assert seen["stepped"]
        assert "header.device" in seen["panel"] and "the VMM answers" in seen["panel"]
        assert "gh200.yaml:" in seen["panel"] and 'identity: {device: 0x2342, subsystem: "10de:16eb"}' in seen["panel"]
