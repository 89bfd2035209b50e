"""Whole dumps are read at once: with the same outcome as row by row, whatever is done to the text."""

from __future__ import annotations

import random

import pytest

from vpci_compile.capture import lspci_text
from vpci_compile.diagnostics import Source, render_text

from .judge import OWN

EDITS = ("", " ", "\n", "\r\n", "\t", "0", "zz", ":", "00: ", "10: 00", "> ", "\x0c", "01:00.0 x\n", "é")


def read(text: str) -> list[object]:
    """All that a reader finds, diagnostics with their places."""
    drafts, report = lspci_text.parse(Source("x", text))
    rows = [(d.slot, bytes(d.data), bytes(d.known), d.dump, str(d.origin), d.report.diagnostics) for d in drafts]
    return [*((*row[:-1], render_text(row[-1])) for row in rows), render_text(report.diagnostics)]


def edited(text: str, dice: random.Random) -> str:
    for _ in range(dice.choice((0, 1, 1, 2, 5))):
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(EDITS) + text[at + dice.randrange(3) :]
    return text


@pytest.mark.parametrize("name", ["igb", "nvme", "vga", "noroot-e1000e"])
def test_a_dump_at_once_is_the_dump_row_by_row(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(name)
    text = (OWN / f"{name}.lspci").read_text()
    texts = [text, text * 2, *(edited(text, dice) for _ in range(60))]
    at_once = [read(one) for one in texts]
    monkeypatch.setattr(lspci_text._Reader, "_dump", lambda *_: 0)
    assert at_once == [read(one) for one in texts]
