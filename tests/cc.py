"""The C compilers that generated code is tested with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from judges import REQUIRED
from vpci_compile.emit import c_header
from vpci_compile.emit.artifact import Options
from vpci_compile.ir import Function

_FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror"]
_C_FLAGS = [*_FLAGS, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wdeclaration-after-statement"]
COMPILERS = {
    "c11": ("gcc", [*_C_FLAGS, "-std=c11"]),
    "c17": ("gcc", [*_C_FLAGS, "-std=c17"]),
    "gnu11": ("gcc", [*_C_FLAGS, "-std=gnu11"]),
    "c++17": ("g++", [*_FLAGS, "-std=c++17", "-x", "c++"]),
}

_missing = [name for name in ("gcc", "g++") if shutil.which(name) is None]
needed = pytest.mark.skipif(bool(_missing) and not REQUIRED, reason=f"no {' and '.join(_missing)} here")


def emit(function: Function, folder: Path) -> tuple[Path, Path]:
    """Write NAME.h and NAME_selftest.c into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for artifact in c_header.emit(function, Options()):
        (folder / artifact.name).write_bytes(artifact.data)
    return folder / f"{function.name}.h", folder / f"{function.name}_selftest.c"


def compile_c(language: str, *arguments: str | Path) -> None:
    compiler, flags = COMPILERS[language]
    done = subprocess.run([compiler, *flags, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


def build(language: str, source: Path, *flags: str) -> Path:
    compile_c(language, *flags, source, "-o", source.with_suffix(""))
    return source.with_suffix("")


def run(program: Path) -> tuple[int, str]:
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout
