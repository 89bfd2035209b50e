"""Text and colours of the pictures: escaped, cut to a width, and legible on light and on dark."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from html import escape

from ...diagnostics import printable

ADVANCE = 7.8
"""Width of a character of the monospaced text (13 units high), with some room: fonts differ."""

MARKS: Mapping[str, str] = {
    "rejected": "the destination refuses it",
    "guest-visible": "a running guest finds it changed",
    "unknown": "a side does not say it",
    "unstable": "equal today, and compared",
    "harmless": "nothing a guest relies on",
}
"""Kinds of marks, the gravest first."""

# Blue and orange of Okabe and Ito, which people of every colour vision tell apart; hidden and reserved are hatched.
CSS = """
:root,.vpci-map{--page:#fff;--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--copied:#cfe4f5;--copied-line:#0b6aa8;\
--made:#fce2ae;--made-line:#9a5b00;--hidden-line:#6e7781;--reserved-line:#8250a8;--bad:#c0331b;--warn:#9a5b00;--odd:#0b6aa8}
@media(prefers-color-scheme:dark){:root,.vpci-map{--page:#0d1117;--ink:#e6edf3;--soft:#9da7b3;--line:#3d444d;\
--copied:#12395b;--copied-line:#58a6e0;--made:#4a3206;--made-line:#e0a43a;--hidden-line:#8b949e;--reserved-line:#b58ad6;\
--bad:#ff7b63;--warn:#e0a43a;--odd:#58a6e0}}
.vpci-map{max-width:100%;height:auto}
.vpci-map text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.vpci-map .mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}
.vpci-map .name{font-size:17px;font-weight:600}
.vpci-map .small{font-size:12px}
.vpci-map .strong{font-weight:600}
.vpci-map .soft{fill:var(--soft)}
.vpci-map .mid{text-anchor:middle}
.vpci-map .page,.vpci-map .plate{fill:var(--page)}
.vpci-map .free{stroke:var(--line)}
.vpci-map .tick{stroke:var(--line);fill:none}
.vpci-map .copied{fill:var(--copied);stroke:var(--copied-line)}
.vpci-map .synthesized{fill:var(--made);stroke:var(--made-line)}
.vpci-map .hidden,.vpci-map .tail{stroke:var(--hidden-line);stroke-dasharray:3 2}
.vpci-map .reserved{stroke:var(--reserved-line)}
.vpci-map .hatch{stroke:var(--hidden-line);fill:none}
.vpci-map .cross{stroke:var(--reserved-line);fill:none}
.vpci-map .s:hover rect,.vpci-map a:focus-visible rect{stroke-width:2.5}
.vpci-map a{outline:none}
.vpci-map .part{fill:var(--page);stroke:var(--hidden-line)}
.vpci-map .part.bus{stroke:var(--ink);stroke-width:1.5}
.vpci-map .part.switch{stroke:var(--reserved-line);stroke-width:1.5}
.vpci-map .part.function{fill:var(--copied);stroke:var(--copied-line)}
.vpci-map .branch{fill:none;stroke:var(--hidden-line)}
.vpci-map .window{fill:var(--made);stroke:var(--made-line)}
.vpci-map .cell{fill:var(--copied-line);stroke:var(--page)}
.vpci-map .mark{stroke:none}
.vpci-map .mark.rejected{fill:var(--bad)}
.vpci-map .mark.guest-visible{fill:var(--page);stroke:var(--warn);stroke-width:1.5}
.vpci-map .mark.unknown{fill:var(--page);stroke:var(--warn);stroke-dasharray:2 1.5}
.vpci-map .mark.unstable{fill:var(--page);stroke:var(--odd);stroke-dasharray:2 1.5}
.vpci-map .mark.harmless{fill:var(--line)}
"""


def escaped(text: str) -> str:
    """`text` for the content of an element or an attribute, lines kept; what XML cannot hold is a dot."""
    return escape("\n".join(printable(line) for line in text.split("\n")))


def attributes(**values: float | str) -> str:
    """` name="value"` of each; numbers as short as they can be."""
    return "".join(
        f' {name}="{f"{value:g}" if isinstance(value, float | int) else escaped(value)}"'
        for name, value in values.items()
    )


def elided(text: str, width: float, advance: float) -> str:
    """`text` in one line, cut where it would be wider than `width` with characters of `advance`."""
    text, room = printable(text), max(1, int(width / advance))
    return text if len(text) <= room else f"{text[: room - 1]}\N{HORIZONTAL ELLIPSIS}"


def wrapped(text: str, width: float, advance: float) -> list[str]:
    """`text` in lines of at most `width`."""
    return textwrap.wrap(printable(text), max(8, int(width / advance)))
