"""The pages of the site that are made from the program itself: nothing of them is kept in the repository.

python tools/site/pages.py FOLDER      writes them there, to look at
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import error_index
import language
import layouts
import usage

import machines


def pages() -> Iterator[tuple[str, str]]:
    """(path below `docs/`, text) of every generated page and picture."""
    yield from usage.pages()
    yield from language.pages()
    yield from error_index.pages()
    yield from layouts.pages()
    yield from machines.pages()


if __name__ == "__main__":
    for name, text in pages():
        target = Path(sys.argv[1]) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
