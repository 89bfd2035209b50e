"""A machine as an ini file for QEMU's -readconfig: for people, as the command line says all of it already.

Such a file has no nested objects and no escape for a quote; of a key that is there twice the last one holds (QEMU
11.1.3), so that the processors of a node are one run, or there is no file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...diagnostics import Report
from ...ir.topology import System
from ..artifact import Artifact, Options
from .qemu import arguments, runs

_SECTIONS = {"-machine": "machine", "-m": "memory", "-smp": "smp-opts", "-numa": "numa", "-global": "global"}
_NO_SECTION = ("-cpu", "-chardev", "-mon")
_FIRST_KEY = {"-machine": "type", "-smp": "cpus", "-numa": "type"}


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1970 for what does not fit into such a file."""
    if (node := _split_node(system)) is not None:
        message = f"node {node}: -readconfig takes one run of processors: there will be no ini file"
        report.add("VPCI1970", system.origins["nodes"], message)
    for name in options.sockets:
        message = f"{name}: -readconfig has no objects, as a socket is one: there will be no ini file"
        report.add("VPCI1970", system.origins["devices"], message)


def _split_node(system: System) -> int | None:
    machine = system.machine
    return next((node for node in range(len(machine.nodes)) if len(list(runs(machine, node))) > 1), None)


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.readconfig.ini: the same machine, section for argument; nothing where it does not fit."""
    if _split_node(system) is not None or options.sockets:
        return []
    argv, _ = arguments(system, options)
    # What stands alone has no section.
    rest = {option: text for option, text in zip(argv[1::2], argv[2::2], strict=True) if option in _NO_SECTION}
    more = "".join(f" {option} {text}" for option, text in rest.items())
    rows = [
        "# What does not fit stays on the command line. There are no nested objects here: a device whose",
        "# option is an object, such as the socket of vfio-user-pci, has to be there as well.",
        f"#     qemu-system-... -nodefaults{more} -readconfig {system.name}.readconfig.ini",
    ]
    for option, text in zip(argv[1::2], argv[2::2], strict=True):
        if option not in rest:
            rows += ["", *_section(option, text)]
    return [Artifact(f"{system.name}.readconfig.ini", ("\n".join(rows) + "\n").encode())]


def _section(option: str, text: str) -> Iterator[str]:
    if option in ("-device", "-object"):
        told = json.loads(text)
        yield f'[{option[1:]} "{told.pop("id")}"]' if "id" in told else f"[{option[1:]}]"
        for key, value in told.items():
            yield f'  {key} = "{_word(value)}"'
        return
    yield f"[{_SECTIONS[option]}]"
    if option == "-global":
        name, value = text.split("=", 1)
        driver, _, key = name.partition(".")
        yield from (f'  driver = "{driver}"', f'  property = "{key}"', f'  value = "{value}"')
        return
    for index, part in enumerate(text.split(",")):
        key, equals, value = part.partition("=")
        if index == 0 and not equals:
            key, value = _FIRST_KEY[option], key
        yield f'  {key} = "{value}"'


def _word(value: object) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)
