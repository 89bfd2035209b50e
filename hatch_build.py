"""Packs the capability catalogue into one JSON file of the wheel: no YAML is read when the catalogue is used."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackCatalogue(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `_data/schemas/pci.json` to a wheel; editable installs go on reading the YAML files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the packed form beside the build and force it into the wheel."""
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "compiler"))
        from vpci_compile.catalog import pack

        folder = Path(self.directory) / "packed"
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / "pci.json"
        target.write_text(pack(), encoding="utf-8")
        build_data["force_include"][str(target)] = "vpci_compile/_data/schemas/pci.json"
