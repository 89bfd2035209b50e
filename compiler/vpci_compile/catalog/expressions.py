"""The expressions of the catalogue: a checked subset of Python over the registers of one structure."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Invert, ast.BinOp, ast.Add,
    ast.Sub, ast.Mult, ast.FloorDiv, ast.Div, ast.Mod, ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr, ast.BitXor,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.IfExp, ast.Tuple,
    ast.List, ast.Subscript, ast.Constant, ast.Name, ast.Load, ast.Call,
)  # fmt: skip
_LOOPS = {"most": (2, "i"), "past": (3, "here")}  # arguments, and the name that the last one is a function of
_CALLS = ("u8", "u16", "u32", "min", "max", *_LOOPS)
_OWN_NAMES = frozenset((*_CALLS, "raw", "i", "n", "here", "room", "header_type", "True", "False"))


class _Fields(ast.NodeTransformer):
    """Turns `register.field` and `register` into `F("register.field")`, and refuses all that is not in the subset."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if not isinstance(node.value, ast.Name):
            raise ValueError("only 'register.field' has a dot")
        return self._field(f"{node.value.id}.{node.attr}", node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return node if node.id in _OWN_NAMES else self._field(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if not isinstance(node.func, ast.Name) or node.func.id not in _CALLS or node.keywords:
            raise ValueError(f"only {', '.join(_CALLS)} can be called")
        self.generic_visit(node)
        if node.func.id in _LOOPS:
            count, name = _LOOPS[node.func.id]
            if len(node.args) != count:
                raise ValueError(f"'{node.func.id}' has {count} arguments")
            of = ast.arguments(posonlyargs=[], args=[ast.arg(name)], kwonlyargs=[], kw_defaults=[], defaults=[])
            node.args[-1] = ast.fix_missing_locations(ast.copy_location(ast.Lambda(of, node.args[-1]), node))
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, _ALLOWED):
            raise ValueError(f"{type(node).__name__} is not part of the expression language")
        return super().generic_visit(node)

    def _field(self, name: str, at: ast.AST) -> ast.AST:
        call = ast.Call(ast.Name("F", ast.Load()), [ast.Constant(name)], [])
        return ast.fix_missing_locations(ast.copy_location(call, at))


@cache
def _compile(text: str) -> CodeType:
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return compile(_Fields().visit(tree), f"<{text}>", "eval")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"expression '{text}': {error}") from None


def check(text: str) -> None:
    """Raise ValueError if `text` is not an expression."""
    _compile(text)


_MOST_BLOCKS = 4096  # a structure has no room for more


def _most(count: int, of: Callable[[int], int]) -> int:
    return max((of(index) for index in range(min(count, _MOST_BLOCKS))), default=0)


def _past(start: int, count: int, length: Callable[[int], int]) -> int:
    for _ in range(min(count, _MOST_BLOCKS)):
        start += length(start)
    return start


def scope(**names: Any) -> dict[str, Any]:
    """What `evaluate` needs: `F` (a field by name), `u8`, `u16`, `u32` and the names above, with the functions."""
    return {"__builtins__": {}, "min": min, "max": max, "most": _most, "past": _past, **names}


def evaluate(text: str, names: dict[str, Any]) -> Any:
    """The value of an expression; `names` comes from `scope`."""
    return eval(_compile(text), names)


_HOLE = re.compile(r"\{([^{}]*?)(?::([^{}:]*))?\}")


@cache
def _template(text: str) -> Callable[[dict[str, Any]], str]:
    parts: list[tuple[str, str, str]] = []
    last = 0
    for hole in _HOLE.finditer(text):
        parts.append((text[last : hole.start()], hole.group(1), hole.group(2) or ""))
        last = hole.end()
    tail = text[last:]

    def render(names: dict[str, Any]) -> str:
        return "".join(f"{lead}{evaluate(inner, names):{spec}}" for lead, inner, spec in parts) + tail

    return render


def fill(text: str, names: dict[str, Any]) -> str:
    """A `show` template with its `{expression}` holes filled."""
    return _template(text)(names)
