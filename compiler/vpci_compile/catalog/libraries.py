"""Where layouts and quirks come from: the library that comes with the program, and the user's own.

A library is a folder: `nvidia/gh200.yaml` in it is the layout nvidia/gh200, `nvidia/gh200@1.yaml` an older version of
it, and `quirks/*.yaml` are quirks. The user's own come first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from .. import loader, resources
from ..diagnostics import failure, whole_file

QUIRKS = "quirks"
MACHINES = "machines"  # the folder of a library with layouts of machines
_BASE = "-base"  # ends the name of what is there to be extended only
_VERSION = re.compile(r"^version: ([0-9]+)", re.MULTILINE)


def folders() -> list[Path]:
    """The folders of the user's libraries, in the order in which they are searched.

    Raises:
        Failed: VPCI1120, one of them is not there.
    """
    for folder in resources.own_libraries():
        if not (loader.exists(folder) and folder.is_dir()):
            way_out = f"--library and {resources.LIBRARY_VARIABLE} name folders"
            raise failure("VPCI1120", whole_file(str(folder)), f"there is no library '{folder}'", help=way_out)
        if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
            raise failure("VPCI1120", whole_file(str(folder)), f"the library '{folder}' is closed to us")
    return resources.own_libraries()


def layouts() -> dict[str, Path]:
    """Name -> file of every function's layout of every library: minimal, nvidia/gh200, nvidia/gh200@1."""
    return {name: path for name, path in _every().items() if not is_machine(name)}


def machines() -> dict[str, Path]:
    """The same of every machine's layout: machines/gh200."""
    return {name: path for name, path in _every().items() if is_machine(name)}


def is_machine(name: str) -> bool:
    """Whether the layout of this name is that of a machine."""
    return name.startswith(f"{MACHINES}/")


def _every() -> dict[str, Path]:
    return dict(sorted({name: path for root in reversed(_roots()) for name, path in _files(root)}.items()))


def _roots() -> list[Path]:
    return [*folders(), resources.folder("layouts")]


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for path in root.rglob("*.yaml"):
        below = path.relative_to(root)
        if below.parts[0] != QUIRKS:
            yield below.with_suffix("").as_posix(), path


def is_base(name: str) -> bool:
    """Whether a layout is there to be extended only: no instance has it as it is."""
    return name.partition("@")[0].endswith(_BASE)


def find(name: str) -> Path | None:
    """The file of a layout by its name: nvidia/gh200 is the newest, nvidia/gh200@1 version 1; None without one.

    Raises:
        Failed: VPCI1122, the file of a version says another one.
    """
    plain, at, wanted = name.partition("@")
    for root in _roots():
        for candidate in (root / f"{name}.yaml", root / f"{plain}.yaml") if at else (root / f"{name}.yaml",):
            if not loader.exists(candidate) or not candidate.is_file():
                continue
            own = version(candidate) if at else ""
            if own == wanted:
                return candidate
            if "@" in candidate.name:
                message = f"'{name}' says that it is version {own}"
                raise failure("VPCI1122", whole_file(str(candidate)), message, help=f"version: {wanted}")
    return None


def version(path: Path) -> str:
    """The version that the text of a layout says, in digits; 1 where it says none."""
    match = _VERSION.search(loader.read_source(path).text)
    return match[1] if match else "1"


def versions(name: str) -> list[str]:
    """The versions that there are of a layout, newest first; `name` may have a version itself."""
    plain = name.partition("@")[0]
    files = (row for root in _roots() for row in _files(root))
    found = {version(path) for own, path in files if own.partition("@")[0] == plain}
    return sorted(found, key=int, reverse=True)


def remarks(path: Path) -> tuple[str, ...]:
    """The lines of the comment that a layout begins with, which names its sources."""
    lines = []
    for line in loader.read_source(path).text.splitlines():
        if not line.startswith("#"):
            break
        if "yaml-language-server" not in line:
            lines.append(line.removeprefix("#").removeprefix(" "))
    return tuple("\n".join(lines).strip().splitlines())
