"""GLib's own order of strings: orders that a real GLib gave, by way of QEMU's SRAT."""

from __future__ import annotations

import pytest

from vpci_compile.acpi.glib_hash import order, str_hash

# What QEMU 11.1.3 showed: objects as they were made, and the generic initiators as its SRAT has them.
_SEEN = {
    "gi0 gi1 gi2 gi3 gi4 gi5 gi6 gi7 m0": "gi5 gi4 gi3 gi2 gi1 gi7 gi0 gi6",
}


def test_hash_of_known_strings() -> None:
    """Bernstein's hash, computed by hand: 5381, 5381 * 33 + 'a', and one that wraps in 32 bits."""
    assert (str_hash(""), str_hash("a"), str_hash("gi0")) == (5381, 177670, 193492677)
    assert str_hash("x" * 100) < 1 << 32


@pytest.mark.parametrize("made", _SEEN)
def test_orders_that_were_seen(made: str) -> None:
    assert [name for name in order(made.split()) if name.startswith("gi")] == _SEEN[made].split()


def test_nothing_is_lost() -> None:
    names = [f"object-{number}" for number in range(2000)]
    assert sorted(order(names)) == sorted(names)
