# Two commands do all set-up on a fresh machine with Python >= 3.11 and access to a package registry:
#   make demo    compile a shipped layout and show what came out
#   make test    everything: linters, types, import floors, tests, the wheel
# A third one takes minutes: make test-stack shows functions to a real Linux and to a QEMU inside it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: demo orchestrators test test-stack test-sample guest-kernel lint pytest wheel judges qemu bench schema goldens docs clean help

help:
	@sed -n '2,3s/^# //p' Makefile
	@echo "  also: lint, pytest, test-stack, guest-kernel, orchestrators, wheel, judges, qemu, bench, docs, schema (regenerate), goldens (regenerate), clean"

$(STAMP): pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "vpci-compile needs Python >= 3.11; PYTHON=... make"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m compileall -q compiler
	@touch $@

demo: $(STAMP)
	@echo "== vpci-compile build layouts/nvidia/gh200.yaml -o demo-out"
	@$(BIN)/vpci-compile build layouts/nvidia/gh200.yaml -o demo-out
	@echo; echo "== vpci-compile show layouts/nvidia/gh200.yaml"
	@$(BIN)/vpci-compile show layouts/nvidia/gh200.yaml
	@echo "== vpci-compile explain layouts/nvidia/gh200.yaml 0x20"
	@$(BIN)/vpci-compile explain layouts/nvidia/gh200.yaml 0x20

test: lint judges pytest wheel

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Independent judges (QEMU and Linux for its guests, lspci, iasl, the newest pci_regs.h; a browser), unpacked into .cache without root.
# Where they cannot be had, the tests that need them say so; VPCI_REQUIRE_JUDGES=1 (CI) makes that a failure.
judges:
	@tools/fetch-judges.sh --qemu || $(call without,judges)
	@tools/fetch-libvirt.sh || $(call without,libvirt)
	@tools/fetch-browser.sh || $(call without,a browser)

without = { [ "$${VPCI_REQUIRE_JUDGES:-}" != 1 ] && echo "going on without $(1)"; }

# The same for who wants to run `verify --guest`: without them there is nothing to go on with.
qemu:
	@tools/fetch-judges.sh --qemu

pytest: $(STAMP)
	$(BIN)/pytest -n $(JOBS)

# Judges of configurations for KubeVirt and Nova. Minutes; without them their tests are skipped, and say so.
orchestrators:
	@tools/fetch-orchestrators.sh

# Predictions against the programs themselves: Linux's vfio-pci, and QEMU above it, with no hardware.
test-stack: $(STAMP) judges
	$(BIN)/pytest -n $(JOBS) -m stack tests/stack tests/acpi tests/machines tests/migration

# Some of them, for CI: every crafted function, and one of eight of the others.
test-sample: $(STAMP) judges
	VPCI_STACK_SAMPLE=8 $(BIN)/pytest -n $(JOBS) -m stack tests/stack

# The Linux that those of them need which are about PASID: Debian's own has no iommufd. Minutes; without it they are skipped.
guest-kernel:
	@tools/build-guest-kernel.sh

wheel: $(STAMP)
	tools/test-wheel.sh $(BIN)/python

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

schema: $(STAMP)
	$(BIN)/vpci-compile schema > schemas/device.schema.json
	$(BIN)/python -c 'from vpci_compile.spec.schema import machine_schema; print(machine_schema(), end="")' \
	    > schemas/machine.schema.json
	$(BIN)/python -c 'from vpci_compile.capture.host_format import capture_schema; print(capture_schema(), end="")' \
	    > schemas/capture.schema.json
	$(BIN)/python -c 'from vpci_compile.emit.printed.migration_json import diff_schema; print(diff_schema(), end="")' \
	    > schemas/diff.schema.json
	$(BIN)/python -c 'from vpci_compile.host.document_format import function_schema; print(function_schema(), end="")' \
	    > schemas/function.schema.json
	$(BIN)/python -c 'from vpci_compile.stack.emulated.probe_format import probe_schema; print(probe_schema(), end="")' \
	    > schemas/probe.schema.json
	$(BIN)/python -c 'from vpci_compile.emit.printed.fleet_format import fleet_schema; print(fleet_schema(), end="")' \
	    > schemas/fleet.schema.json

goldens: $(STAMP)
	VPCI_ACCEPT=1 $(BIN)/pytest -q tests/test_goldens.py tests/test_errors.py

# The site: docs/, and what tools/site makes of the schemas, the help and the layouts. Links are checked.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

clean:
	rm -rf $(VENV) dist demo-out site .mypy_cache .ruff_cache .pytest_cache .hypothesis
