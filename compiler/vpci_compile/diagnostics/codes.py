"""The registry of codes: one line each. A code is never used for a second meaning.

Ranges: 10 files and YAML, 11 the language, 12 identity and header, 13 capabilities and where they stand,
14 BARs and regions, 15 rules of single capabilities, 16 migration, 17 captures, 18 targets, 19 NUMA.
Each has a page in docs/errors/ and a smallest failing file in tests/errors/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Code:
    """One code: `acceptable` when real hardware can be so, and a layout may say that it knows (`accept:`)."""

    id: str
    title: str
    severity: Literal["error", "warning", "note"] = "error"
    acceptable: bool = False


_CODES = (
    Code("VPCI1001", "file cannot be read"),
    Code("VPCI1002", "not YAML"),
    Code("VPCI1003", "key given twice"),
    Code("VPCI1004", "YAML feature that layouts do not use"),
    Code("VPCI1005", "document too large or too deep"),
)

REGISTRY: dict[str, Code] = {code.id: code for code in _CODES}
