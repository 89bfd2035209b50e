"""The printed node map: whatever is put into one line, every node and every distance can be read back from it."""

from __future__ import annotations

import re
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from vpci_compile.acpi.node_map import GuestNode, NodeMap
from vpci_compile.emit.printed import node_map_text


@st.composite
def maps(draw: st.DrawFn) -> tuple[NodeMap, list[list[int]]]:
    """Up to twenty nodes in blocks of like ones, with a distance here and there that is another."""
    blocks = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    kind = [at for at, count in enumerate(blocks) for _ in range(count)][:20]
    count = len(kind)
    values = {pair: draw(st.integers(11, 14)) for pair in product(range(len(blocks)), repeat=2)}
    far = [[10 if a == b else values[kind[a], kind[b]] for b in range(count)] for a in range(count)]
    for _ in range(draw(st.integers(0, 2))):
        far[draw(st.integers(0, count - 1))][draw(st.integers(0, count - 1))] = draw(st.integers(10, 254))
    domains = draw(st.sampled_from([list(range(count)), draw(st.permutations(range(count)))]))
    nodes = [
        GuestNode(at, domains[at], tuple(range(kind[at] % 3)), (), initiator=kind[at] % 2 == 0, online=True)
        for at in range(count)
    ]
    return NodeMap(tuple(nodes)), far


def numbers(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


@given(maps())
def test_all_of_it_can_be_read_back(case: tuple[NodeMap, list[list[int]]]) -> None:
    nodes, far = case
    head, *lines = node_map_text.render(nodes, far).splitlines()
    cut = next(at for at, line in enumerate(lines) if line.startswith("distances"))
    domains: dict[int, int] = {}
    words: dict[int, str] = {}
    for line in lines[:cut]:
        match = re.fullmatch(r" *(\S+) +(\S+)  (.*)", line)
        assert match is not None
        domains |= zip(numbers(match[1]), numbers(match[2]), strict=True)
        words |= dict.fromkeys(numbers(match[1]), match[3])
    assert head.split() == ["node", "domain", "has"]
    assert domains == {one.number: one.domain for one in nodes.nodes}
    for one in nodes.nodes:
        assert ("generic initiator" in words[one.number]) == one.initiator
        assert ("processor" in words[one.number]) == bool(one.cpus)
    columns = lines[cut].split()[1:]
    rows = [line.split() for line in lines[cut + 1 :] if not line.startswith("with")]
    found: dict[tuple[int, int], int] = {}
    for own, *values in rows:
        for column, value in zip(columns, values, strict=True):
            itself, _, others = value.partition("/")
            for a, b in product(numbers(own), numbers(column)):
                found[a, b] = int(others) if others and a != b else int(itself)
    assert found == {(a, b): far[a][b] for a in range(len(far)) for b in range(len(far))}


def test_nodes_of_gpus_take_a_line() -> None:
    nodes = [GuestNode(at, at, (at,) if at < 2 else (), (), initiator=at > 1, online=True) for at in range(34)]
    far = [[10 if a == b else 40 if a < 2 and b < 2 else 254 for b in range(34)] for a in range(34)]
    text = node_map_text.render(NodeMap(tuple(nodes)), far)
    assert len(text.splitlines()) == 9 and "2-33" in text
