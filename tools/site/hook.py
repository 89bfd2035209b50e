"""What mkdocs calls while it builds the site: adds the generated pages, and mends links that leave `docs/`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import pages

ROOT = Path(__file__).resolve().parents[2]
_CONTRIBUTING = "contributing.md"
_STYLE = ".md-typeset td:first-child code{white-space:nowrap}\n"
_OUTSIDE = re.compile(r"\]\(\.\./(schemas/[^)]*)\)")
_FROM_ROOT = re.compile(r"\]\((?:docs/)?([^):#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Everything that is made, and the files outside `docs/` that pages lead to."""
    made = {**dict(pages.pages()), "site.css": _STYLE}
    made[_CONTRIBUTING] = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in (*(ROOT / "schemas").glob("*.json"), *(ROOT / "schemas").glob("*/README.md")):
        made[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """`../schemas/` is inside the site; CONTRIBUTING.md stands beside `docs/` in a checkout, and in it here."""
    if page.file.src_uri == _CONTRIBUTING:
        return _FROM_ROOT.sub(r"](\1\2)", markdown)
    return _OUTSIDE.sub(r"](\1)", markdown)
