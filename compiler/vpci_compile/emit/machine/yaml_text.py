"""YAML for people, of plain values: block style, and every string that is no plain word in JSON's quotes.

A JSON string in ASCII is a YAML string of the same value (YAML 1.2, 7.3.1), whatever is in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*")
_LITERAL = re.compile(r"(?:[!-~][ -~]*\n)(?:(?:[ -~]*[!-~])?\n)*[ -~]*[!-~]\n")
"""Lines that a literal block keeps as they are."""
_TRUTHS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}


def text(value: Mapping[str, object]) -> str:
    """The document."""
    return "".join(f"{line}\n" for line in _lines(value, ""))


def _lines(value: object, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", one, indent)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for one in value:
            first, *rest = _lines(one, f"{indent}  ") if _is_block(one) else [f"{indent}  {_scalar(one)}"]
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest


def _entry(head: str, value: object, indent: str) -> Iterator[str]:
    if _is_block(value):
        yield head
        yield from _lines(value, f"{indent}  ")
    elif isinstance(value, str) and _LITERAL.fullmatch(value):
        yield f"{head} |"
        yield from (f"{indent}  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _is_block(value: object) -> bool:
    return not isinstance(value, str) and isinstance(value, Mapping | Sequence) and len(value) > 0


def _scalar(value: object) -> str:
    if isinstance(value, str) and _WORD.fullmatch(value) and value.lower() not in _TRUTHS:
        return value
    return json.dumps(value)
