"""The numbers of schemas/stacks/linux.yaml, as a C compiler reads them from linux/pci_regs.h.

The expressions name what the kernel's tables name (drivers/vfio/pci/vfio_pci_config.c); where it writes a plain number,
so does the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import cc
from catalog import pci_regs
from vpci_compile import loader, resources

FACTS: Any = loader.load(resources.folder("schemas") / "stacks" / "linux.yaml", shown="linux.yaml").plain()

STANDARD = {
    "pm": "PCI_CAP_ID_PM", "agp": "PCI_CAP_ID_AGP", "vpd": "PCI_CAP_ID_VPD", "msi": "PCI_CAP_ID_MSI",
    "pcix": "PCI_CAP_ID_PCIX", "ht": "PCI_CAP_ID_HT", "vndr": "PCI_CAP_ID_VNDR", "pcie": "PCI_CAP_ID_EXP",
    "msix": "PCI_CAP_ID_MSIX", "sata": "PCI_CAP_ID_SATA", "af": "PCI_CAP_ID_AF",
}  # fmt: skip
EXTENDED = {
    "aer": "ERR", "vc": "VC", "dsn": "DSN", "power budgeting": "PWR", "mfvc": "MFVC", "vc with mfvc": "VC9",
    "vsec": "VNDR", "acs": "ACS", "ari": "ARI", "ats": "ATS", "sriov": "SRIOV", "multicast": "MCAST", "pri": "PRI",
    "rebar": "REBAR", "dpa": "DPA", "tph": "TPH", "ltr": "LTR", "dvsec": "DVSEC",
}  # fmt: skip
LENGTHS = {
    "pm": "PCI_PM_SIZEOF", "agp": "PCI_AGP_SIZEOF", "vpd": "PCI_CAP_VPD_SIZEOF", "msix": "PCI_CAP_MSIX_SIZEOF",
    "af": "PCI_CAP_AF_SIZEOF", "aer": "PCI_ERR_ROOT_COMMAND", "dsn": "PCI_EXT_CAP_DSN_SIZEOF",
    "power budgeting": "PCI_EXT_CAP_PWR_SIZEOF", "ari": "PCI_EXT_CAP_ARI_SIZEOF", "ats": "PCI_EXT_CAP_ATS_SIZEOF",
    "sriov": "PCI_EXT_CAP_SRIOV_SIZEOF", "multicast": "PCI_EXT_CAP_MCAST_ENDPOINT_SIZEOF",
    "pri": "PCI_EXT_CAP_PRI_SIZEOF", "ltr": "PCI_EXT_CAP_LTR_SIZEOF",
}  # fmt: skip
UNCORRECTABLE = "|".join(
    f"PCI_ERR_UNC_{name}"
    for name in (
        *("UND", "DLP", "SURPDN", "POISON_TLP", "FCP", "COMP_TIME", "COMP_ABORT", "UNX_COMP", "RX_OVER", "MALF_TLP"),
        *("ECRC", "UNSUP", "ACSV", "INTN", "MCBTLP", "ATOMEG", "TLPPRE"),
    )
)
CORRECTABLE = "|".join(
    f"PCI_ERR_COR_{name}"
    for name in ("RCVR", "BAD_TLP", "BAD_DLLP", "REP_ROLL", "REP_TIMER", "ADV_NFAT", "INTERNAL", "LOG_OVER")
)
_PME = "(PCI_PM_CTRL_PME_ENABLE|PCI_PM_CTRL_PME_STATUS)"
_SHADOWED = "(PCI_EXP_DEVCTL_BCR_FLR|PCI_EXP_DEVCTL_PAYLOAD|PCI_EXP_DEVCTL_READRQ)"
NEXT = ("PCI_CAP_LIST_NEXT", 1, "0xff", "0")
# By name: place, bytes, bits of the copy, bits that can be written: as the kernel's init_pci_*_perm has them.
REGISTERS: Mapping[str, list[tuple[str, int, str, str]]] = {
    "header": [
        ("PCI_VENDOR_ID", 4, "0xffffffff", "0"),
        ("PCI_COMMAND", 2, "PCI_COMMAND_INTX_DISABLE", "0xffff"),
        ("PCI_STATUS", 2, "PCI_STATUS_CAP_LIST", "0"),
        ("PCI_CACHE_LINE_SIZE", 1, "0", "0xff"),
        ("PCI_LATENCY_TIMER", 1, "0", "0xff"),
        ("PCI_BIST", 1, "0", "0xff"),
        ("PCI_CAPABILITY_LIST", 1, "0xff", "0"),
        ("PCI_INTERRUPT_LINE", 1, "0xff", "0xff"),
        ("PCI_INTERRUPT_PIN", 1, "0xff", "0"),
    ],
    "pm": [
        NEXT,
        ("PCI_PM_PMC", 2, "PCI_PM_CAP_PME_MASK", "0"),
        # The state bits are written by the kernel on the guest's behalf.
        ("PCI_PM_CTRL", 4, _PME, f"0xffffffffu & ~({_PME}|PCI_PM_CTRL_STATE_MASK)"),
    ],
    "vpd": [NEXT, ("PCI_VPD_ADDR", 2, "0xffff", "0xffff"), ("PCI_VPD_DATA", 4, "0xffffffff", "0xffffffff")],
    "pcix": [NEXT, ("PCI_X_CMD", 2, "0", "0xffff"), ("PCI_X_ECC_CSR", 4, "0", "0xffffffff")],
    "pcie": [
        NEXT,
        # A function level reset starts at once, and its bit stays 0.
        ("PCI_EXP_DEVCTL", 2, _SHADOWED, "0xffff & ~(PCI_EXP_DEVCTL_PHANTOM|PCI_EXP_DEVCTL_BCR_FLR)"),
        ("PCI_EXP_DEVCTL2", 2, "0", "0xffff & ~PCI_EXP_DEVCTL2_ARI"),
    ],
    "af": [NEXT, ("PCI_AF_CTRL", 1, "PCI_AF_CTRL_FLR", "0")],
    "msi": [
        NEXT,
        # Enable and the number of vectors stay 0 until VFIO_DEVICE_SET_IRQS.
        ("PCI_MSI_FLAGS", 1, "0xff", "0xff & ~(PCI_MSI_FLAGS_ENABLE|PCI_MSI_FLAGS_QSIZE)"),
        ("PCI_MSI_ADDRESS_LO", 4, "0xffffffff", "0xffffffff"),
    ],
    "aer": [
        ("0", 4, "0xffffffff", "0"),
        ("PCI_ERR_UNCOR_STATUS", 4, "0", UNCORRECTABLE),
        ("PCI_ERR_UNCOR_MASK", 4, "0", UNCORRECTABLE),
        ("PCI_ERR_UNCOR_SEVER", 4, "0", UNCORRECTABLE),
        ("PCI_ERR_COR_STATUS", 4, "0", CORRECTABLE),
        ("PCI_ERR_COR_MASK", 4, "0", CORRECTABLE),
        ("PCI_ERR_CAP", 4, "0", "PCI_ERR_CAP_ECRC_GENE|PCI_ERR_CAP_ECRC_CHKE"),
    ],
    "power budgeting": [("0", 4, "0xffffffff", "0"), ("PCI_PWR_DATA", 1, "0", "0xff")],
}
# Numbers that the code has for itself (stack/linux/lengths.py).
PLAIN = {
    "PCI_CAP_VC_BASE_SIZEOF": 0x10, "PCI_CAP_VC_PER_VC_SIZEOF": 0x0C, "PCI_VC_PORT_CAP1": 4, "PCI_VC_PORT_CAP2": 8,
    "PCI_VC_CAP1_EVCC": 7, "PCI_VC_CAP2_32_PHASE": 2, "PCI_VC_CAP2_64_PHASE": 4, "PCI_VC_CAP2_128_PHASE": 8,
    "PCI_ACS_CAP": 4, "PCI_ACS_EC": 0x20, "PCI_ACS_EGRESS_BITS": 5, "PCI_REBAR_CTRL": 8,
    "PCI_REBAR_CTRL_NBAR_MASK": 0xE0, "PCI_DPA_CAP": 4, "PCI_DPA_CAP_SUBSTATE_MASK": 0x1F, "PCI_DPA_BASE_SIZEOF": 16,
    "PCI_TPH_CAP": 4, "PCI_TPH_CAP_LOC_MASK": 0x600, "PCI_TPH_LOC_CAP": 0x200, "PCI_TPH_CAP_ST_MASK": 0x7FF0000,
    "PCI_TPH_BASE_SIZEOF": 12, "PCI_VNDR_HEADER": 4, "PCI_DVSEC_HEADER1": 4, "PCI_VNDR_HEADER_LEN(0x12345678)": 0x123,
    "PCI_DVSEC_HEADER1_LEN(0x12345678)": 0x123, "PCI_X_CMD_VERSION(0x3000)": 3, "PCI_X_CMD_VERSION(0xcfff)": 0,
    "PCI_X_STATUS": 4, "PCI_X_STATUS_266MHZ | PCI_X_STATUS_533MHZ": 0xC0000000, "HT_3BIT_CAP_MASK": 0xE0,
    "HT_CAP_SIZEOF_SHORT": 24, "HT_CAP_SIZEOF_LONG": 28, "PCI_SATA_REGS": 4, "PCI_SATA_REGS_MASK": 15,
    "PCI_SATA_REGS_INLINE": 15, "PCI_SATA_SIZEOF_SHORT": 8, "PCI_SATA_SIZEOF_LONG": 16, "PCI_CAP_PCIX_SIZEOF_V0": 8,
    "PCI_CAP_PCIX_SIZEOF_V2": 24, "PCI_EXP_TYPE_RC_END": 9, "PCI_EXP_FLAGS_VERS": 15, "PCI_MSI_FLAGS_64BIT": 0x80,
    "PCI_MSI_FLAGS_MASKBIT": 0x100, "PCI_MSI_DATA_32": 8, "PCI_MSI_DATA_64": 12, "PCI_MSI_MASK_32": 12,
    "PCI_MSI_MASK_64": 16, "PCI_MSI_PENDING_32": 16, "PCI_MSI_PENDING_64": 20, "PCI_EXT_CAP_NEXT(0xffffffff)": 0xFFC,
    "PCI_CAP_EXP_ENDPOINT_SIZEOF_V1": 0x14,
}  # fmt: skip


def now(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that hold for the newest release."""
    return [row for row in rows if "until" not in row]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Every expression of this file, as the compiler evaluates it."""
    pci_regs.macros()  # skips where there is no such header
    header = pci_regs.path()
    assert header is not None
    wanted = [*STANDARD.values(), *(f"PCI_EXT_CAP_ID_{name}" for name in EXTENDED.values()), *LENGTHS.values(), *PLAIN]
    wanted += [text for rows in REGISTERS.values() for at, _, *masks in rows for text in (at, *masks)]
    wanted += ["PCI_CAP_ID_MAX", "PCI_EXT_CAP_ID_MAX", "PCI_CAP_EXP_ENDPOINT_SIZEOF_V2"]
    wanted = list(dict.fromkeys(wanted))
    folder: Path = tmp_path_factory.mktemp("constants")
    rows = [f'    printf("%llu\\n", (unsigned long long)({text}));' for text in wanted]
    source = folder / "constants.c"
    lines = [f'#include "{header}"', "#include <stdio.h>", "int main(void) {", *rows, "    return 0;", "}", ""]
    source.write_text("\n".join(lines), "ascii")
    status, text = cc.run(cc.build("gnu11", source, "-w", "-I", str(header.parents[1])))
    assert status == 0
    return dict(zip(wanted, map(int, text.split()), strict=True))


pytestmark = cc.needed


def test_ids(numbers: dict[str, int]) -> None:
    found = {kind: {row["name"]: row["id"] for row in FACTS["capabilities"][kind]} for kind in ("standard", "extended")}
    assert found["standard"] == {name: numbers[text] for name, text in STANDARD.items()}
    assert found["extended"] == {name: numbers[f"PCI_EXT_CAP_ID_{text}"] for name, text in EXTENDED.items()}


def test_lengths(numbers: dict[str, int]) -> None:
    rows = [*FACTS["capabilities"]["standard"], *FACTS["capabilities"]["extended"]]
    found = {row["name"]: row["length"] for row in rows if "length" in row}
    assert found == {name: numbers[text] for name, text in LENGTHS.items()}
    express = {row["version"]: row for row in now(FACTS["pcie_length"])}
    assert (express[1]["link"], express[1]["integrated"]) == (numbers["PCI_CAP_EXP_ENDPOINT_SIZEOF_V1"], 0x0C)
    assert express[2]["integrated"] == 0x2C


def test_pci_express_is_as_long_as_the_header_says(numbers: dict[str, int]) -> None:
    if pci_regs.macros()["PCI_EXT_CAP_ID_MAX"] != FACTS["last_id"]["extended"]:
        pytest.skip("the header is of another release than the newest one of the tables")
    express = {row["version"]: row for row in now(FACTS["pcie_length"])}
    assert express[2]["link"] == numbers["PCI_CAP_EXP_ENDPOINT_SIZEOF_V2"]
    assert FACTS["last_id"]["standard"] == numbers["PCI_CAP_ID_MAX"]


@pytest.mark.parametrize("name", sorted(REGISTERS))
def test_registers(numbers: dict[str, int], name: str) -> None:
    found = [
        (row["at"], row["size"], row.get("shadow", 0), row.get("write", 0)) for row in now(FACTS["registers"][name])
    ]
    wanted = [(numbers[at], size, numbers[own], numbers[write]) for at, size, own, write in REGISTERS[name]]
    assert found == wanted


def test_no_register_is_left_out() -> None:
    assert set(FACTS["registers"]) == set(REGISTERS)


def test_plain_numbers(numbers: dict[str, int]) -> None:
    assert {text: numbers[text] for text in PLAIN} == PLAIN
