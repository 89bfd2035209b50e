"""Checks of the configuration header: ids, class, header type, interrupt pin."""

from __future__ import annotations

from .work import Work

NO_DEVICE = 0xFFFF  # what a read gives where no function answers
BRIDGE, PCI_TO_PCI, CARDBUS = 0x06, (0x04, 0x09), 0x07
LAST_DEFINED_CLASS, UNASSIGNED_CLASS = 0x13, 0xFF
FURTHER_CLASSES = (0x40,)  # co-processor
LAST_PIN = 4


def check(work: Work) -> None:
    """Report VPCI1201..1203 and 1205."""
    report, tree, identity = work.report, work.tree, work.layout.identity
    _ids(work)
    base, sub = identity.class_code >> 16, identity.class_code >> 8 & 0xFF
    span = tree.span_of("identity", "class")
    expected = 1 if base == BRIDGE and sub in PCI_TO_PCI else 2 if base == BRIDGE and sub == CARDBUS else 0
    if expected != identity.header_type:
        report.add(
            "VPCI1202",
            span,
            f"class {identity.class_code:#08x} has a type {expected} header, not type {identity.header_type}",
            labels=[(tree.span_of("identity", "header_type"), "says otherwise")] if identity.header_type else (),
            note="PCIe 6.0 7.5.1: PCI-PCI bridges (0604xx, 0609xx) have type 1, CardBus bridges (0607xx) type 2",
            help=f"header_type: {expected}, or another class",
        )
    if LAST_DEFINED_CLASS < base < UNASSIGNED_CLASS and base not in FURTHER_CLASSES:
        report.add(
            "VPCI1203",
            span,
            f"base class {base:#04x} is not defined",
            note="PCI Code and ID Assignment 1.15, 1: base classes are 00h to 13h, 40h and FFh",
            help="0xff0000 is for what fits no class",
        )
    pin = work.header.field("interrupt_pin")
    if pin > LAST_PIN:
        report.add(
            "VPCI1205",
            work.header.origins.get("interrupt_pin", tree.span),
            f"interrupt pin {pin} does not exist",
            note="PCIe 6.0 7.5.1.1.13: 0 for none, 1..4 for INTA..INTD",
            help="interrupt_pin: 0 for a function without INTx (a VF has none), else 1",
        )


def _ids(work: Work) -> None:
    identity, report = work.layout.identity, work.report
    message = f"the ids {identity.vendor:04x}:{identity.device:04x} belong to no function"
    if NO_DEVICE in (identity.vendor, identity.device):
        key = "vendor" if identity.vendor == NO_DEVICE else "device"
        report.add(
            "VPCI1201",
            work.tree.span_of("identity", key),
            message,
            note="PCIe 6.0 7.5.1.1.1: ffff is no vendor id; 9.3.4.1.1: the hardware of a VF answers so, for both ids",
            help="for a VF: the vendor id of its PF, and the VF device id in the PF's SR-IOV capability",
        )
    elif identity.vendor == 0:
        report.add(
            "VPCI1201",
            work.tree.span_of("identity", "vendor"),
            message,
            note="the PCI-SIG gave id 0 to nobody; Linux takes 0000:0000 for an empty slot",
            help="vendor: the id of the vendor, as 'lspci -n' shows it",
        )
