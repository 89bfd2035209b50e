"""Packs the capability catalogue, the quirks and the language's schema into the wheel in the forms that load fast."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackCatalogue(BuildHookInterface):  # type: ignore[type-arg]
    """Adds three JSON files to `_data/schemas/`; a checkout keeps the same in its cache."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the packed form beside the build and force it into the wheel."""
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "compiler"))
        from vpci_compile import catalog
        from vpci_compile.catalog import quirks, store
        from vpci_compile.spec import compiled

        folder = Path(self.directory) / "packed"
        folder.mkdir(parents=True, exist_ok=True)
        packed = {store.PACKED: catalog.pack(), quirks.PACKED: quirks.pack()}
        packed |= {language.file: compiled.pack(language) for language in compiled.Language}
        for name, text in packed.items():
            (folder / name).write_text(text, encoding="utf-8")
            build_data["force_include"][str(folder / name)] = f"vpci_compile/_data/schemas/{name}"
