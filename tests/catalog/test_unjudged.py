"""Every field of a header or standard capability is read by a judge, or stands in unjudged.yaml a second time.

So does the offset of a register of which no judge reads anything.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from vpci_compile import catalog, loader
from vpci_compile.catalog import Chain, View

from . import lspci, test_lspci_header, test_lspci_standard
from .reader import Reader


class Watched(Reader):
    """A reader that remembers which fields it was asked for."""

    def __init__(self, view: View, offset: int, theirs: str) -> None:
        super().__init__(view, offset, theirs)
        self.asked: set[str] = set()

    def _remember(self, path: str) -> None:
        place, field = self.view.find(path)
        if field or len(place.register.fields) == 1:
            capability = self.view.capability
            own = f"{capability.chain}/{capability.name}.{place.register.name}"
            self.asked.add(f"{own}.{(field or place.register.fields[0]).name}")

    def __getitem__(self, path: str) -> int:
        self._remember(path)
        return super().__getitem__(path)

    def shown(self, path: str) -> str:
        self._remember(path)
        return super().shown(path)


def judged_by_lspci() -> set[str]:
    """The fields that the words of lspci are made of."""
    found: set[str] = set()
    for key, space in test_lspci_standard.random_spaces().items():
        name = key.rpartition("-")[0]
        if name in test_lspci_standard.DECODED:
            theirs = test_lspci_standard.random_text()[key].blocks[0].text
            view = View(catalog.by_name(Chain.STANDARD, name), space[test_lspci_standard.AT :], header_type=space[0x0E])
            reader = Watched(view, test_lspci_standard.AT, theirs)
            assert list(test_lspci_standard.DECODED[name](reader))
            found |= reader.asked
    for key in test_lspci_header.spaces():
        theirs, plain = test_lspci_header.header(key)
        reader = Watched(plain.view, 0, theirs)
        assert list(test_lspci_header.DECODED[plain.view.capability.name](reader))
        found |= reader.asked
    return found


def test_every_field_has_a_judge_or_a_second_entry() -> None:
    lspci.require(of_captures=False)
    table = loader.load(Path(__file__).with_name("unjudged.yaml")).plain()
    by_lspci = judged_by_lspci()
    unjudged: dict[str, dict[str, dict[str, int | str]]] = defaultdict(lambda: defaultdict(dict))
    for chain in (Chain.HEADER, Chain.STANDARD):
        for capability in map(catalog.by_id, [chain] * 256, range(256)):
            for register in (one for one in capability.registers if not one.blob) if capability else ():
                own = f"{chain}/{capability.name}" if capability else ""
                for field in register.fields:
                    whole = len(register.fields) == 1 and field.name == register.name
                    if field.linux or (whole and register.linux) or f"{own}.{register.name}.{field.name}" in by_lspci:
                        continue
                    if not register.linux and not any(path.startswith(f"{own}.{register.name}.") for path in by_lspci):
                        unjudged[own][register.name]["at"] = register.at
                    high = field.low + field.width - 1
                    bits = field.low if field.width < 2 else f"{high}..{field.low}"
                    unjudged[own][register.name][field.name] = bits
    assert {name: dict(registers) for name, registers in unjudged.items()} == table
