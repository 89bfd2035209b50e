"""`extends` and `parameters`: one tree out of a layout and its bases, every node still knowing its own file.

Mappings are merged key by key. Entries of a list of structures are merged where they name the same `name` or `cap`
(or `at`, for bytes); others are added at the end, so that no inherited structure moves. A key set to `null` takes the
inherited one away, and so does `remove: true` for an entry of a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..catalog import libraries
from ..diagnostics import Report, Span, nearest
from ..loader import Node, Scalar, load

_MAX_DEPTH = 16
_MAX_PARAMETER = 256  # characters; it can be used very often
_PARAMETER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MERGED_LISTS = {"capabilities": ("name", "cap"), "extended": ("name", "cap"), "bytes": ("at",), "reserved": ("range",)}

Finder = Callable[[Path, str], tuple[Path, str] | None]
"""(path of the layout, name or path given by `extends`) -> the base's file and how to call it, or None."""


def resolve(tree: Node, path: Path, find: Finder, report: Report, values: Node | None = None) -> Node:
    """The tree with its bases below it and its parameters filled in, with `values` for those of the layout itself.

    Raises:
        Failed: VPCI1104 (no such base, or a cycle), VPCI1105 (parameter unknown or not set), VPCI1112 (an entry to
            remove that no base has), or what loading says.
    """
    merged = _with_bases(tree, path, find, report, (path.resolve(),))
    if values is not None:
        merged = _set_parameters(merged, values, report)
    report.stop_on_errors()
    filled = _filled(merged, _own_parameters(merged), report)
    report.stop_on_errors()
    return filled


def _with_bases(tree: Node, path: Path, find: Finder, report: Report, seen: tuple[Path, ...]) -> Node:
    node = tree.find(["extends"])
    if "extends" not in tree.keys or node.value is None:
        return tree
    inner = node.find(["layout"]) if isinstance(node.value, dict) else node
    if not isinstance(inner.value, str):
        return tree  # the language's own check says what is wrong with it
    found = find(path, inner.value)
    if found is None and libraries.versions(inner.value):
        there = ", ".join(libraries.versions(inner.value))
        message = f"there is no such version of this layout: '{inner.value}'"
        report.add("VPCI1121", inner.span, message, help=f"versions of it: {there}")
        return tree
    if found is None:
        near = nearest(inner.value, libraries.layouts())
        report.add(
            "VPCI1104",
            inner.span,
            f"there is no layout '{inner.value}'",
            help=[
                *(f"did you mean '{name}'?" for name in near),
                "a base is a path from this file, or the name of a shipped layout such as nvidia/gh200",
            ],
        )
        return tree
    base_path, shown = found
    if base_path.resolve() in seen:
        way = [known.name for known in (*seen[seen.index(base_path.resolve()) :], base_path)]
        report.add(
            "VPCI1104",
            inner.span,
            f"'{inner.value}' extends itself",
            note=f"the way there: {' -> '.join(way)}",
            help="let one of them extend another layout, or none",
        )
        return tree
    if len(seen) > _MAX_DEPTH:
        report.add("VPCI1104", inner.span, f"more than {_MAX_DEPTH} layouts extend one another")
        return tree
    base = _with_bases(load(base_path, shown), base_path, find, report, (*seen, base_path.resolve()))
    values = node.find(["with"]) if isinstance(node.value, dict) and "with" in node.keys else None
    if values is not None:
        base = _set_parameters(base, values, report)
    return _merge(base, tree, report)


def _set_parameters(base: Node, values: Node, report: Report) -> Node:
    declared = base.value.get("parameters") if isinstance(base.value, dict) else None
    known = dict(declared.items()) if declared is not None else {}
    for name in values.keys:
        if name not in known:
            report.add(
                "VPCI1105",
                values.keys[name],
                f"the base has no parameter '{name}'",
                help=_near(name, known, "parameters of the base"),
            )
    over = Node({"parameters": values}, base.span, {"parameters": values.span})
    return _merge(base, over, report)


def _near(name: str, known: dict[str, Node], what: str) -> str:
    near = nearest(name, known)
    return f"did you mean '{near[0]}'?" if near else f"{what}: {', '.join(known) or 'none'}"


def _merge(base: Node, over: Node, report: Report, name: str = "") -> Node:
    below, above = base.value, over.value
    if isinstance(below, dict) and isinstance(above, dict):
        entries, keys = dict(below), dict(base.keys)
        for key, node in above.items():
            keys[key] = over.keys[key]
            if node.value is None and key in below:
                del entries[key], keys[key]
            elif key in below or key in _MERGED_LISTS:
                entries[key] = _merge(below.get(key, Node([], base.span)), node, report, key)
            else:
                entries[key] = node
        return Node(entries, over.span, keys)
    if isinstance(below, list) and isinstance(above, list) and name in _MERGED_LISTS:
        return Node(_merged_entries(below, above, _MERGED_LISTS[name], report), over.span)
    return over


def _merged_entries(below: list[Node], above: list[Node], naming: tuple[str, ...], report: Report) -> list[Node]:
    entries: list[Node | None] = list(below)
    taken: set[int] = set()
    for node in above:
        match = _same(entries, node, naming, taken)
        removed = isinstance(node.value, dict) and "remove" in node.value and node.value["remove"].value is True
        if match is None and removed:
            _nothing_to_remove(below, node, naming, report)
        elif match is None:
            entries.append(node)
        else:
            taken.add(match)
            entries[match] = None if removed else _merge(entries[match] or node, node, report)
    return [node for node in entries if node is not None]


def _nothing_to_remove(below: list[Node], node: Node, naming: tuple[str, ...], report: Report) -> None:
    named = next((node.find([key]) for key in naming if key in node.keys), node)
    there = [str(entry.find([key]).value) for entry in below for key in naming if key in entry.keys]
    report.add(
        "VPCI1112",
        named.span,
        f"no base has an entry '{named.value}' to remove" if named is not node else "an entry to remove without a name",
        help=f"entries of the base: {', '.join(there)}" if there else "the base has no entries here",
    )


def _same(entries: list[Node | None], node: Node, naming: tuple[str, ...], taken: set[int]) -> int | None:
    if not isinstance(node.value, dict):
        return None
    for key in naming:
        if key not in node.value:
            continue
        wanted = node.value[key].value
        for index, entry in enumerate(entries):
            if entry is None or index in taken or not isinstance(entry.value, dict) or key not in entry.value:
                continue
            if entry.value[key].value == wanted:
                return index
        return None
    return None


def _own_parameters(tree: Node) -> dict[str, Node]:
    value = tree.value.get("parameters") if isinstance(tree.value, dict) else None
    return dict(value.items()) if value is not None else {}


def _filled(node: Node, parameters: dict[str, Node], report: Report) -> Node:
    value = node.value
    if isinstance(value, dict):
        return Node({key: _filled(inner, parameters, report) for key, inner in value.items()}, node.span, node.keys)
    if isinstance(value, list):
        return Node([_filled(inner, parameters, report) for inner in value], node.span)
    if not isinstance(value, str) or "${" not in value:
        return node
    whole = _PARAMETER.fullmatch(value)
    if whole:
        return Node(_parameter(whole[1], node.span, parameters, report), node.span)
    text = _PARAMETER.sub(lambda m: str(_parameter(m[1], node.span, parameters, report)), value)
    return Node(text, node.span)


def _parameter(name: str, span: Span, parameters: dict[str, Node], report: Report) -> Scalar:
    found = parameters.get(name)
    if found is None:
        help_text = _near(name, parameters, "parameters here")
        report.add("VPCI1105", span, f"there is no parameter '{name}'", help=help_text)
        return 0
    value = found.value
    if value is None:
        report.add(
            "VPCI1105",
            span,
            f"parameter '{name}' has no value",
            labels=[(found.span, "declared here without one")],
            help=f"set it: extends: {{layout: ..., with: {{{name}: ...}}}}",
        )
        return 0
    long = isinstance(value, str) and len(value) > _MAX_PARAMETER
    if isinstance(value, dict | list) or long or (isinstance(value, str) and "${" in value):
        what = "is no plain value"
        if isinstance(value, str):
            what = f"has more than {_MAX_PARAMETER} characters" if long else "names another parameter"
        report.add(
            "VPCI1105",
            span,
            f"the value of parameter '{name}' {what}",
            labels=[(found.span, "declared here")],
            help="a parameter is a number, true, false or text",
        )
        return 0
    return value
