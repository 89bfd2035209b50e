"""The commands that compile and import: `build`, `check`, `import`. Imported by `app`, which they join."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import (
    CAPTURE,
    Command,
    FormatOption,
    LayoutArgument,
    OptionsOption,
    QemuOption,
    SlotOption,
    address_of,
    app,
    bdf,
    options_of,
    refuse,
)
from .outcome import Format, State, complain, say, tell


class HugePages(StrEnum):
    """Sizes of huge pages that all processors of interest have."""

    MIB_2 = "2M"
    GIB_1 = "1G"


_PAGE_SIZES = {HugePages.MIB_2: 2 << 20, HugePages.GIB_1: 1 << 30}


class Orchestrator(StrEnum):
    """Who starts machines for many hosts."""

    KUBEVIRT = "kubevirt"
    NOVA = "nova"


@app.command(cls=Command, short_help="Compile a layout and write all of its outputs, or none.")
def build(
    context: typer.Context,
    layout: LayoutArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the outputs.", readable=False)
    ] = Path("out"),
    host_address: Annotated[
        str, typer.Option(metavar="BDF", help="The device on the host, for the QEMU arguments.")
    ] = "0000:01:00.0",
    qemu_version: QemuOption = "11.1",
    guest_address: Annotated[
        str | None, typer.Option(metavar="BDF", help="Guest address, for the SRAT; instead of the layout's.")
    ] = None,
    first_node: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=0xFFFF, help="Proximity domain of the first node; instead of the layout's."
        ),
    ] = None,
    host: Annotated[
        Path | None,
        typer.Option(
            "--host", metavar="CAPTURE", help="Ask whether this host can show it; needs --stack.", readable=False
        ),
    ] = None,
    slot: SlotOption = None,
    stack: Annotated[
        str | None, typer.Option("--stack", metavar="S", help="The host's kernel and VMM: linux-7.2/qemu-11.1.")
    ] = None,
    option: OptionsOption = None,
    host_device: Annotated[
        list[str] | None,
        typer.Option(
            "--host-device",
            metavar="NAME=BDF",
            help="Of a machine: a device's address on the host, or the socket of its vfio-user server.",
        ),
    ] = None,
    monitor: Annotated[str, typer.Option(metavar="SOCKET", help="Of a machine: where it is controlled.")] = "",
    huge_pages: Annotated[
        HugePages | None, typer.Option("--huge-pages", help="Of a machine: the pages that its RAM is made of.")
    ] = None,
    iommufd_fd: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Of a machine: a descriptor of /dev/iommu for QEMU."),
    ] = None,
    orchestrator: Annotated[
        list[Orchestrator] | None,
        typer.Option("--for", help="Of a machine: write what an orchestrator takes, too, and say what it cannot."),
    ] = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Compile a layout and write all of its outputs, or none.

    A file that would not change is left alone. With any error nothing is written. With --host an error is also
    everything that the host's device would show a guest otherwise, or that the host lacks; else its options are said.

    \b
    Examples:
      vpci-compile build nvidia/gh200 -o out
      vpci-compile build nic.yaml -o out --host-address 0000:3d:00.1
      vpci-compile build nic.yaml --host host.capture --stack linux-7.2/qemu-11.1
    """
    from .. import api
    from ..emit import Options
    from ..emit.printed import memory_needs

    State.format = format
    if api.is_machine(layout):
        from .machine_commands import build_machine, refuse_options

        refuse_options(
            context, "host_address", "qemu_version", "guest_address", "first_node", "host", "slot", "stack", "option"
        )
        told = Options(
            monitor=monitor,
            huge_pages=_PAGE_SIZES[huge_pages] if huge_pages else 0,
            iommufd_fd=iommufd_fd,
            orchestrators=tuple(dict.fromkeys(orchestrator or ())),
        )
        build_machine(layout, output, host_device or [], told)
        return
    of_machines = ("host_device", "orchestrator", "monitor", "huge_pages", "iommufd_fd")
    refuse(context, "that is of a machine, and this is a function", *of_machines)
    if (host is None) != (stack is None):
        raise typer.BadParameter("--host and --stack go together", param_hint="--host, --stack")
    if host is None and option:
        raise typer.BadParameter("options are those of a VMM on a host: name it with --host", param_hint="--option")
    wanted = None if host is None or stack is None else api.HostOptions(host, stack, slot, options_of(option))
    try:
        built = api.build(
            layout,
            output,
            Options(address_of(host_address, "--host-address"), _version(qemu_version)),
            guest_address=None if guest_address is None else bdf(guest_address, "--guest-address"),
            first_node=first_node,
            host=wanted,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    complain(built.diagnostics)
    if format is Format.TEXT:
        if built.realized is not None:
            from ..emit.printed import prediction_text

            say(prediction_text.realized(built.function, built.realized.prediction.stack, built.realized.options))
        for path in built.files:
            tell(f"{path}{'' if path in built.changed else '  (unchanged)'}")
        for line in memory_needs.lines(built.function):
            say(f"needs: {line}")
        say(f"contract {built.function.digest}")


@app.command(cls=Command, short_help="Check a layout and write nothing.")
def check(
    context: typer.Context,
    layout: LayoutArgument,
    qemu_version: QemuOption = "11.1",
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Check a layout and write nothing: exit 0 when it is fine, 1 when it has errors.

    The targets that the layout names are asked, too, whether they can show the function.

    \b
    Examples:
      vpci-compile check nic.yaml
      vpci-compile check nic.yaml --format sarif > findings.sarif
    """
    from .. import api
    from ..emit import Options

    State.format = format
    if api.is_machine(layout):
        from .machine_commands import check_machine, refuse_options

        refuse_options(context, "qemu_version")
        check_machine(layout)
        return
    compiled = api.check(layout, Options(qemu_version=_version(qemu_version)))
    complain(compiled.diagnostics)
    if format is Format.TEXT:
        tell(f"{layout}: fine, contract {compiled.function.digest}")


@app.command("import", cls=Command, short_help="Write the layout that describes a captured function.")
def import_(
    capture: Annotated[Path, typer.Argument(metavar="CAPTURE", help=f"A real device: {CAPTURE}.", readable=False)],
    slot: SlotOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it (default: standard output).", readable=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over FILE, if it is there.")] = False,
) -> None:
    """Write the layout that describes a captured function, every byte accounted for.

    Capture as root, others see the first 64 bytes only; and with -vv, for the sizes of the BARs.

    \b
    Examples:
      vpci-compile import /sys/bus/pci/devices/0000:3d:00.0 -o gpu.yaml
      lspci -vv -xxxx > host.lspci
      vpci-compile import host.lspci --slot 3d:00.0 -o gpu.yaml
    """
    from .. import api
    from ..emit import Artifact, writer

    if output is not None and output.exists() and not force:
        raise typer.BadParameter(f"'{output}' is there already; --force writes over it", param_hint="--output")
    imported = api.import_capture(capture, slot)
    complain(imported.diagnostics)
    if output is None:
        say(imported.text)
    else:
        writer.write_all(output.parent, [Artifact(output.name, imported.text.encode())], (capture,))
        tell(f"{output}")


def _version(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.[0-9]+)?", text)
    if not match:
        raise typer.BadParameter(f"'{text}' is not a version; write 11.1", param_hint="--qemu-version")
    return int(match[1]), int(match[2])
