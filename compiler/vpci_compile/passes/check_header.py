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
    for key, number in (("vendor", identity.vendor), ("device", identity.device)):
        if number == NO_DEVICE or (key == "vendor" and number == 0):
            report.add(
                "VPCI1201",
                tree.span_of("identity", key),
                f"{key} id {number:#06x} belongs to no function",
                note="PCI 3.0 6.1: a read of vendor 0xffff means that nobody is there; a VF reads so from hardware",
                help="for a VF give the ids of its PF's SR-IOV capability",
            )
    base, sub = identity.class_code >> 16, identity.class_code >> 8 & 0xFF
    span = tree.span_of("identity", "class")
    expected = 1 if base == BRIDGE and sub in PCI_TO_PCI else 2 if base == BRIDGE and sub == CARDBUS else 0
    if expected != identity.header_type:
        report.add(
            "VPCI1202",
            span,
            f"class {identity.class_code:#08x} has a type {expected} header, not type {identity.header_type}",
            labels=[(tree.span_of("identity", "header_type"), "header type")] if identity.header_type else (),
            note="PCIe 6.0 7.5.1: type 1 belongs to PCI-PCI bridges (0604xx), type 2 to CardBus bridges (0607xx)",
        )
    if LAST_DEFINED_CLASS < base < UNASSIGNED_CLASS and base not in FURTHER_CLASSES:
        report.add(
            "VPCI1203", span, f"base class {base:#04x} is not defined", note="PCI Code and ID Assignment 1.15, 1"
        )
    pin = work.header.field("interrupt_pin")
    if pin > LAST_PIN:
        report.add(
            "VPCI1205",
            work.header.origins.get("interrupt_pin", tree.span),
            f"interrupt pin {pin} does not exist",
            note="PCI 3.0 6.2.4: 0 for none, 1..4 for INTA..INTD",
        )
