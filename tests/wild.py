"""Bad and odd input, made at random: texts, layouts, captures. What `test_fuzz.py` throws at the compiler."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from compiling import device_layouts
from judges import ROOT
from vpci_compile import catalog
from vpci_compile.catalog import Chain, View
from vpci_compile.diagnostics import REGISTRY, Source
from vpci_compile.loader import parse

LAYOUTS = device_layouts()
TEXTS = [path.read_text(encoding="utf-8") for path in LAYOUTS]
CAPTURES = sorted((ROOT / "tests/captures").glob("*.lspci"))
ACCEPTABLE = sorted(code for code, entry in REGISTRY.items() if entry.acceptable)

# -- YAML ----------------------------------------------------------------------------------------------------------

YAML_WORDS = (
    *"{}[],:?-#&*!|>'\"%@`\n\t \0\r",
    "\n  ", "\n    ", "- ", ": ", "? ", "? - ", "--- ", "...\n", "&a ", "*a", "!!int ", "!x ", "<<: *a\n", "|2\n",
    ">-\n", "\ufeff", "\x85", "\u2028", "\r\n", '"\\ud800"', '"\\x00"', "'", "vpci: 1\n", "device: ", "0x", "1_0",
    "010", "00:02.0", "1e5", "~", "null", "\x1b[31m", "\U0001f600", "é", "%YAML 1.1\n---\n", "%TAG ! x\n---\n",
)  # fmt: skip

MINIMAL = next(text for text in TEXTS if "device: minimal" in text)
BOMBS = {
    "flow": "[" * 200_000,
    "flow maps": "{a: " * 100_000,
    "maps and lists": "[{a: " * 100_000,
    "block lists": "- " * 200_000,
    "block maps": "".join(f"{' ' * depth}a:\n" for depth in range(1200)),
    "complex keys": "? " * 200_000,
    "aliases": "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "merge keys": "a: &a {b: 1}\nc:\n  <<: *a\n",
    "tags": "!!python/object:os.system x",
    "plain scalar": "a" * 1_000_000,
    "quoted scalar": '"' + "a" * 1_000_000,
    "escapes": '"' + "\\x41" * 200_000 + '"',
    "plain lines": "a\n" * 300_000,
    "spaces": " " * 1_000_000,
    "empty lines": "\n" * 1_000_000,
    "comments": "# x\n" * 200_000,
    "tabs": "\t" * 100_000,
    "colons": ":" * 500_000,
    "quotes": "'" * 500_000,
    "documents": "---\n" * 200_000,
    "directives": "%A b\n" * 100_000,
    "literal": "a: |\n" + "  x\n" * 200_000,
    "many keys": "vpci: 1\n" + "".join(f"key{n}: 1\n" for n in range(60_000)),
    "one key": "vpci: 1\n" + "a: 1\n" * 100_000,
    "many items": MINIMAL + "bytes: [" + "1," * 200_000 + "]\n",
    "many header fields": MINIMAL + "header: {" + ", ".join(f"k{n}: 1" for n in range(24_000)) + "}\n",
    "long key": MINIMAL + "? " + "status" * 100_000 + "\n: 1\n",
    "long field": MINIMAL + "header: {? " + "status" * 100_000 + " : 1}\n",
    "digits": MINIMAL + "header: {bar" + "9" * 10_000 + ": 1}\n",
    "a long number": MINIMAL + "config_size: " + "9" * 100_000 + "\n",
    "a long hex number": MINIMAL + "physical: {capabilities: {0x" + "f" * 10_000 + ": pm}}\n",
    "many capabilities": MINIMAL + "extended:\n" + "- {cap: ats, source: synthesized}\n" * 8_000,
    "many pinned": MINIMAL + "capabilities:\n" + "- {cap: pm, at: 0x40, source: synthesized}\n" * 8_000,
    "many bytes": MINIMAL + "bytes:\n" + '- {at: 0x40, hex: "00", source: synthesized}\n' * 8_000,
    "many ranges": MINIMAL + "physical: {used: [" + "0x40..0xfff, " * 30_000 + "]}\n",
    "many parameters": MINIMAL + "parameters: {" + "".join(f"p{n}: 1, " for n in range(20_000)) + "}\n"
    "accept: {" + "".join(f'{n}: "${{q{n}}}", ' for n in range(2_000)) + "}\n",
    "parameters": MINIMAL + f"parameters: {{a: {'b' * 500_000}}}\nname: {'${a}' * 100_000}\n",
    "unknown parameters": MINIMAL + "name: " + "${a}" * 200_000 + "\n",
    "many ignored": MINIMAL.replace("migrates: true", "migrates: true, ignore: [" + "a.b, " * 20_000 + "]"),
    "many raw": MINIMAL + "capabilities: [{cap: vndr, source: synthesized, raw: {"
    + ", ".join(f'{n}: "00"' for n in range(20_000)) + "}}]\n",
    "long hex": MINIMAL + 'bytes: [{at: 0, source: synthesized, hex: "' + "00 " * 300_000 + '"}]\n',
    "almost hex": MINIMAL + 'bytes: [{at: 0, source: synthesized, hex: "' + "00 " * 300_000 + 'x"}]\n',
    "spaces in hex": MINIMAL + 'bytes: [{at: 0, source: synthesized, hex: "00' + " " * 300_000 + 'x"}]\n',
    "spaces in a range": MINIMAL + 'reserved: [{why: x, range: "0x10' + " " * 300_000 + 'x"}]\n',
    "spaces in a size": MINIMAL + 'bars: {0: {kind: io, source: synthesized, size: "1' + " " * 300_000 + 'x"}}\n',
    "many accepted": MINIMAL + "accept: {" + ", ".join(f"VPCI{n}: x" for n in range(1000, 9999)) + "}\n",
}  # fmt: skip


# -- mutated layouts -----------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"[ \t]+|\n|[{}\[\],:#\"']|[^\s{}\[\],:#\"']+")
_NUMBERS = (0, 1, -1, 2, 3, 4, 5, 7, 16, 0x34, 0x40, 0xFC, 0xFF, 0x100, 0xFF8, 0xFFC, 0xFFF, 4096, 1 << 16, 1 << 32)
_HUGE = (1 << 63, 1 << 64, -(1 << 64), 1 << 255)
_SCALARS: tuple[Any, ...] = (
    *_NUMBERS, *_HUGE, None, True, False, "", " ", "1.5", "1e3", "010", "0x", "-0", "00:02.0", "1234:0001",
    "0x40..0x3f", "010..0x20", "0x40..0xff", "0..4095", "16K", "94.5G", "1P", "00 11", "0g", "\x00", "\x1b[31m",
    "\ud7ff", "x" * 300, "${a}", "${}", "copied", "synthesized", "hidden", "unlinked", "zeroed", "mem32",
    "mem64", "io", "rom", "bar0+0x2000", "bar5+4", "endpoint", "rciep", "qemu", "pcie", "msix", "msi", "pm",
    "ats", "pasid", "pri", "vndr", "dvsec", "aer", "gpudirect", "header", "command", "devcap.flr", "devcap",
    "ctrl", "nvidia/hopper-base", "../x", "/", ".", "a" * 5000, "9" * 5000, "0x" + "f" * 5000, "bar0+010",
    "lane0..3", "lane" + "9" * 5000, "lane0..9999.tx", "²", "٣", "0.." + "9" * 5000,
)  # fmt: skip
_KEYS = (
    "at", "cap", "source", "style", "length", "version", "next", "fields", "raw", "volatile", "name", "remove",
    "extends", "layout", "with", "parameters", "identity", "class", "header_type", "header", "bars", "0", "5",
    "rom", "kind", "size", "backing", "beyond", "region", "type", "subtype", "address", "capabilities",
    "extended", "bytes", "hex", "reserved", "range", "why", "physical", "capture", "slot", "driver", "used",
    "guest", "place", "first_node", "initiators", "migration", "migrates", "ignore", "accept", "targets",
    "config_size", "cap_ptr", "status.cap_list", "0x60", "-4", "0x1000", "table", "pba", "flags", "<<", "vpci",
    "device", "", "VPCI1304", "VPCI1310", "010", "0b1", "²", "٣", "9" * 5000, "0x" + "f" * 5000, "lane0..3",
    "lane" + "9" * 5000, "bar0", "bar9",
)  # fmt: skip


def mutated_text(dice: random.Random) -> str:
    """A shipped layout with some tokens or lines deleted, doubled, exchanged or replaced."""
    text = dice.choice(TEXTS)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        parts = text.splitlines(keepends=True) if dice.random() < 0.3 else _TOKEN.findall(text)
        if not parts:
            break
        at, other = dice.randrange(len(parts)), dice.randrange(len(parts))
        match dice.randrange(5):
            case 0:
                del parts[at]
            case 1:
                parts.insert(other, parts[at])
            case 2:
                parts[at], parts[other] = parts[other], parts[at]
            case 3:
                parts[at] = str(dice.choice(_SCALARS))
            case 4:
                parts[at] = dice.choice(_TOKEN.findall(dice.choice(TEXTS)))
        text = "".join(parts)
    return text


def any_value(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.random()
    if depth > 3 or kind < 0.7:
        return dice.choice(_SCALARS)
    count = dice.choice((0, 1, 2, 5))
    if kind < 0.85:
        return [any_value(dice, depth + 1) for _ in range(count)]
    return {dice.choice(_KEYS): any_value(dice, depth + 1) for _ in range(count)}


def holders(tree: Any) -> list[Any]:
    """All mappings and lists that hold something."""
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return ([tree] if inner else []) + [found for value in inner for found in holders(value)]


def mutated_tree(dice: random.Random) -> str:
    """A shipped layout, as JSON (which is YAML), with any values at any keys."""
    tree = parse(Source("x", dice.choice(TEXTS))).plain()
    for _ in range(dice.choice((1, 1, 2, 4, 8))):
        holder = dice.choice(holders(tree))
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            continue
        key = dice.choice(keys)
        match dice.randrange(6):
            case 0:
                del holder[key]
            case 1 | 2:
                holder[key] = any_value(dice)
            case 3 if isinstance(holder, dict):
                holder[dice.choice(_KEYS)] = any_value(dice)
            case 3:
                holder.insert(key, any_value(dice))
            case 4 if isinstance(holder, dict):
                holder[dice.choice(_KEYS)] = holder.pop(key)
            case 4:
                holder.append(holder[key])
            case 5:
                holder[key] = dice.choice(_NUMBERS)
    return json.dumps(tree, ensure_ascii=False)


# -- layouts out of the catalogue's words ----------------------------------------------------------------------------


class Author:
    """Writes layouts of the right shape: a careful author seldom makes a mistake, a wild one all the time."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.wildness = dice.choice((0, 0.01, 0.05, 0.5))

    def wild(self) -> bool:
        return self.dice.random() < self.wildness

    def often(self, chance: float) -> bool:
        return self.dice.random() < chance

    def fields(self, capability: catalog.Capability) -> dict[str, Any]:
        dice = self.dice
        view = View(capability, bytearray(dice.randbytes(4096) if self.wild() else 4096))
        paths = view.known_paths()
        found: dict[str, Any] = {}
        for path in dice.sample(paths, min(len(paths), dice.choice((0, 1, 2, 6)))):
            place, field = view.find(path)
            if place.offset < capability.chain.header_bytes and not self.wild():
                continue
            one = field or place.register.fields[0]
            if self.wild():
                value: Any = dice.choice([*_NUMBERS, "bar2+0x1000", "00 ff", dice.getrandbits(32), one.name])
            elif place.register.blob:
                value = dice.randbytes(dice.randrange(1, min(place.size, 8) + 1)).hex(" ")
            elif field is None and len(place.register.fields) > 1:
                value = dice.getrandbits(8 * place.size)
            elif one.values and self.often(0.7):
                value = dice.choice(one.values).name
            else:
                value = dice.getrandbits(one.width) * one.scale + one.bias
            if self.wild():
                path += dice.choice(("9", "9" * 5000, "0..3", "0..9999", "²", ".x", "0_0", " "))
            found[path] = value
        return found

    def structure(self, chain: Chain, at: int) -> dict[str, Any]:
        dice = self.dice
        name = dice.choice(catalog.names(chain))
        capability = catalog.by_name(chain, name)
        entry: dict[str, Any] = {"cap": name, "source": dice.choice(("copied", "copied", "synthesized", "hidden"))}
        if entry["source"] != "synthesized" or self.often(0.5):
            entry["at"] = dice.randrange(0x1000) if self.wild() else at
        if entry["source"] == "hidden":
            entry["style"] = dice.choice(("unlinked", "zeroed"))
        if self.often(0.5):
            entry["fields"] = self.fields(capability)
        if self.wild():
            entry["cap"] = dice.choice((dice.randrange(0x30), dice.randrange(0x10000)))
        if self.wild() or self.often(0.1):
            entry["length"] = dice.choice((2, 3, 4, 8, 9, 64, 256, 4096))
        if self.often(0.1) and (chain is Chain.EXTENDED or self.wild()):
            entry["version"] = dice.randrange(16)
        if self.wild():
            entry["next"] = dice.choice((0, 0x3C, 0x41, at, dice.randrange(0x1000)))
        if self.wild() or self.often(0.1):
            offset = (
                dice.choice((4, "0x8", 0, 12, 4092, "z", "-1", "010", "9" * 5000, "0xffffffffffff"))
                if self.wild()
                else capability.chain.header_bytes
            )
            entry["raw"] = {offset: dice.randbytes(dice.randrange(1, 3)).hex()}
        if self.often(0.1):
            entry["volatile"] = [*self.fields(capability), *(("x.y", "id") if self.wild() else ())]
        if self.wild():
            entry["name"] = dice.choice(("a", "header", "pcie"))
        return entry

    def bar(self, slot: str) -> dict[str, Any]:
        dice = self.dice
        kind = "rom" if slot == "rom" else dice.choice(("mem32", "io") if slot in "15" else ("mem32", "mem64", "io"))
        low, high = {"rom": (11, 25), "io": (2, 9), "mem32": (4, 32), "mem64": (4, 64)}[kind]
        size: Any = dice.choice(_NUMBERS) if self.wild() else 1 << dice.randrange(low, high)
        bar = {"kind": kind, "source": dice.choice(("copied", "synthesized")), "size": size}
        if self.wild():
            bar["kind"] = dice.choice(("mem32", "mem64", "io", "rom"))
        if self.often(0.3) and (kind.startswith("mem") or self.wild()):
            bar["prefetchable"] = True
            bar["backing"] = {"length": 1 if self.wild() else size, "beyond": dice.choice(("ones", "zeros", "error"))}
        if self.often(0.2):
            bar["enable"] = dice.choice(("enforce", "ignore", "ignore-except-first-after-reset"))
        if self.wild():
            bar |= {"address": dice.choice((size, 0xFEE00000)), "region": {"type": 0x800010DE, "subtype": 1}}
        if self.wild():
            del bar["size"]
        return bar

    def physical(self) -> dict[str, Any]:
        dice = self.dice
        high = 0x1100 if self.wild() else 0x100
        if self.often(0.3):
            return {"capture": str(dice.choice(CAPTURES)), **({"slot": "00:1f.2"} if self.wild() else {})}
        if self.wild():
            return {"capabilities": {dice.choice(_KEYS): "pm"}, "extended": {dice.choice(_KEYS): dice.choice(_SCALARS)}}
        return {
            "capabilities": {hex(dice.randrange(0x40, high, 4)): dice.choice(("pcie", "msi", 0x99)) for _ in range(2)},
            "extended": {hex(dice.randrange(0x100, 0x1000, 4)): dice.choice(("ats", "aer", 0x99)) for _ in range(2)},
            "used": ["0x50..0x5f"],
        }

    def layout(self) -> str:
        dice = self.dice
        kind = dice.choice((0, 0, 0, 0, 1, 2))
        header = catalog.by_id(Chain.HEADER, kind)
        assert header is not None
        slots = {0: ("0", "2", "4", "rom"), 1: ("0", "rom"), 2: ("0",)}[kind]
        standard = sorted(dice.sample(range(0x40 if kind < 2 else 0x80, 0x100, 4), dice.choice((0, 1, 3, 6))))
        extended = sorted({0x100, *(dice.sample(range(0x104, 0x1000, 4), dice.choice((0, 1, 3, 6))))})
        tree: dict[str, Any] = {
            "vpci": 1,
            "device": dice.choice(("a", "x" * 64, "a.b-c_d")),
            "identity": {
                "vendor": dice.choice((0, 0xFFFF)) if self.wild() else 0x15B3,
                "device": dice.randrange(1, 0xFFFF),
                "class": 0xFFFFFF if self.wild() else (0x020000, 0x060400, 0x060700)[kind],
                "header_type": kind,
            },
            "bars": {slot: self.bar(slot) for slot in dice.sample(slots, dice.randrange(len(slots) + 1))},
            "capabilities": [self.structure(Chain.STANDARD, at) for at in standard],
            "extended": [self.structure(Chain.EXTENDED, at) for at in (extended if self.often(0.6) else ())],
            "bytes": [
                {"at": dice.randrange(4096 if self.wild() else 0xFF), "hex": "5a" * size, "source": "copied"}
                for size in dice.choice(((), (), (1, 16), (16, 3000)))
            ],
            "migration": {"migrates": self.often(0.3), "ignore": ["header", *(("pm", "x") if self.wild() else ())]},
            "targets": dice.choice(([], ["qemu"])),
            "guest": {
                "place": dice.choice(("port", "root", "conventional")),
                "address": dice.choice(("00:04.0", "01:00.0", "ffff:ff:1f.7")),
            },
            "initiators": dice.choice((0, 8, 64)),
        }
        optional: dict[str, Any] = {
            "header": {} if self.often(0.5) else self.fields(header),
            "accept": dict.fromkeys(ACCEPTABLE, "fuzz"),
            "physical": {} if self.often(0.5) else self.physical(),
            "config_size": dice.choice((256, 4096)),
            "reserved": [{"range": "0xe8..0x1ff", "why": "fuzz"}],
        }
        chances = {"accept": 0.9, "config_size": 0.1}
        return json.dumps(tree | {key: value for key, value in optional.items() if self.often(chances.get(key, 0.4))})


def any_layout(dice: random.Random) -> str:
    """A document of the right shape with any content, some of it wrong in a deeper way."""
    return Author(dice).layout()


# -- captures ------------------------------------------------------------------------------------------------------


def any_capture(dice: random.Random) -> bytes:
    """Bytes of a captured device, changed; or bytes of nothing."""
    data = bytearray(dice.choice(CAPTURES).read_bytes()[:60_000])
    if dice.random() < 0.3:  # raw
        data = bytearray(dice.randbytes(4096) if dice.random() < 0.2 else 4096)
        data[:64] = bytes.fromhex("86801095070010000100000200000000") + bytes(36) + b"\x40" + bytes(11)
        for _ in range(dice.randrange(40)):
            at = dice.choice((dice.randrange(0x40, 0x100), dice.randrange(0x100, 0x1000), 0x40, 0x100))
            data[at : at + 4] = dice.choice(
                (dice.randbytes(4), bytes((dice.randrange(0x16), dice.randrange(256), 0, 0)))
            )
        return bytes(data[: dice.choice((64, 256, 4096, 4096, dice.randrange(5000)))])
    for _ in range(dice.choice((1, 4, 50))):
        at = dice.randrange(len(data) or 1)
        piece = dice.choice((b"", b"ff", b" ", b"\n", b"00: ", b"100: 01", dice.randbytes(2), data[at : at + 80]))
        data[at : at + dice.choice((0, 1, 2, 40))] = piece
    return bytes(data[: dice.choice((len(data), dice.randrange(len(data) + 1)))])
