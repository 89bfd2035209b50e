"""The site builds without a warning, links and anchors included; what is generated is whole and always the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from compiling import ROOT, device_layouts
from vpci_compile import catalog
from vpci_compile.catalog import Chain
from vpci_compile.diagnostics import REGISTRY
from vpci_compile.spec.schema import device_schema

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated pages."""
    folder = tmp_path_factory.mktemp("pages")
    _make(folder, "0")
    return folder


def _make(folder: Path, seed: str) -> None:
    subprocess.run(
        [sys.executable, ROOT / "tools/site/pages.py", folder], check=True, env={**os.environ, "PYTHONHASHSEED": seed}
    )


def test_pages_are_the_same_each_time(made: Path, tmp_path: Path) -> None:
    _make(tmp_path, "4711")
    names = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    for name in names:
        text = (made / name).read_bytes()
        assert text == (tmp_path / name).read_bytes(), name
        assert str(ROOT).encode() not in text, name


def test_references_are_whole(made: Path) -> None:
    errors = (made / "errors/index.md").read_text()
    assert re.findall(r"^\| \[(VPCI\d+)\]", errors, re.MULTILINE) == [*REGISTRY]
    language = (made / "reference/layout.md").read_text()
    for key in re.findall(r'^ {8}"(\w+)": \{$', device_schema(), re.MULTILINE):
        assert f"| `{key}` |" in language or key in ("properties", "additionalProperties"), key
    for chain in Chain:
        for name in catalog.names(chain):
            page = (made / f"reference/capabilities/{chain}-{name}.md").read_text()
            for register in catalog.by_name(chain, name).registers:
                assert f"## {name}.{register.name}\n" in page
    usage = (made / "reference/cli.md").read_text()
    listed = re.findall(r"^  (\w+)  +[A-Z]", usage.partition("Commands:")[2].partition("A first walk")[0], re.MULTILINE)
    assert len(listed) > 15 and all(f"## vpci-compile {name}\n" in usage for name in listed)
    for path in device_layouts():
        name = path.relative_to(ROOT / "layouts").with_suffix("").as_posix()
        if not name.endswith("-base") and "@" not in name:
            assert f"({path.stem}.svg)" in (made / f"layouts/{name}.md").read_text()
            assert (made / f"layouts/{name}.svg").read_text().startswith("<svg ")
    for path in (ROOT / "layouts/machines").glob("*.yaml"):
        assert f"({path.stem}.svg)" in (made / f"machines/{path.stem}.md").read_text()


def test_every_page_is_in_the_menu() -> None:
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2])
    listed = set(re.findall(r"[\w./-]+\.md", str(menu)))
    assert {path.name for path in DOCS.glob("*.md")} <= listed, "a line in mkdocs.yml for each page"


def test_the_site_builds_and_its_links_hold(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    picture = '<img alt="Map of the configuration space of nvidia/gh200" src="gh200.svg"'
    assert picture in (tmp_path / "layouts/nvidia/gh200.html").read_text()
    outside = re.compile(r'(?:src|href)="?https?://')
    assert not [page for page in tmp_path.rglob("*.html") if outside.search(page.read_text())]
