#!/usr/bin/env bash
# Fetch what judges configurations for KubeVirt and Nova, into .cache/orchestrators or the folder given: KubeVirt's own
# types of its API (npm), and Nova with all that it imports (pip, in an environment of its own; minutes, 400 MiB).
#
# Exit status: 0 done or nothing to do; 1 a download failed; 3 this machine cannot fetch (no npm, no python3).
set -euo pipefail

fail() { local status=$1; shift; printf 'fetch-orchestrators: %s\n' "$*" >&2; exit "$status"; }

types=@kubevirt-ui/kubevirt-api@1.4.0
nova=nova==34.0.0
self=$(readlink -f "${BASH_SOURCE[0]}")
dir=$(readlink -m "${1:-${self%/*/*}/.cache/orchestrators}")
if [[ -r $dir/stamp && $(<"$dir/stamp") == "$types $nova" ]]; then exit 0; fi
for tool in npm python3; do command -v "$tool" >/dev/null || fail 3 "no '$tool' here"; done
rm -rf "$dir"
mkdir -p "$dir"
archive=$(cd "$dir" && npm pack --silent "$types") || fail 1 "cannot download $types"
tar -xzf "$dir/$archive" -C "$dir"
mv "$dir/package" "$dir/kubevirt-api"
rm "$dir/$archive"
python3 -m venv "$dir/nova"
"$dir/nova/bin/python" -m pip install --quiet --disable-pip-version-check "$nova" || fail 1 "cannot install $nova"
printf '%s %s' "$types" "$nova" >"$dir/stamp"
