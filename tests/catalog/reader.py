"""A structure's fields in the words of lspci."""

from __future__ import annotations

from vpci_compile.catalog import View


class Reader:
    """A structure's fields in lspci's words."""

    def __init__(self, view: View, offset: int, theirs: str) -> None:
        self.view = view
        self.offset = offset
        self.theirs = theirs

    def __getitem__(self, path: str) -> int:
        place, field = self.view.find(path)
        return self.view.get(place, field)

    def shown(self, path: str) -> str:
        """The field as the catalogue shows it to people."""
        place, field = self.view.find(path)
        return self.view.decode(place, field or place.register.fields[0])

    def named(self, path: str, otherwise: str = "??{}") -> str:
        """The name of the field's value; for a value without a name, what lspci says instead."""
        place, field = self.view.find(path)
        assert field is not None
        known = self[path] in [named.value for named in field.values]
        return self.view.decode(place, field) if known else otherwise.format(self[path])

    def flags(self, register: str, words: str) -> str:
        """`WORD=field WORD=field` -> `WORD+ WORD-`."""
        pairs = (word.split("=") for word in words.split())
        return " ".join(f"{word}{'-+'[self[f'{register}.{name}'] & 1]}" for word, name in pairs)
