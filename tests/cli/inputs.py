"""What the tests of the command line read."""

from compiling import ROOT

MINIMAL = (ROOT / "layouts/minimal.yaml").read_text(encoding="utf-8")
CAPTURE = ROOT / "tests/captures/e1000e.lspci"
MANY = ROOT / "tests/captures/q35-all.lspci"
ESCAPE = "\x1b"
