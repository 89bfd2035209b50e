#!/usr/bin/env bash
# Fetch libvirt's schemas of domain XML (Debian sid) into .cache/libvirt, or into the folder given. Nothing is installed
# and root is not needed. Beside fetch-judges.sh, whose stamps hold its own hash: QEMU stays when this changes.
#
# Exit status: 0 done or nothing to do; 1 a download failed; 3 this machine cannot fetch (not Debian).
set -euo pipefail

fail() { local status=$1; shift; printf 'fetch-libvirt-schemas: %s\n' "$*" >&2; exit "$status"; }

self=$(readlink -f "${BASH_SOURCE[0]}")
dir=$(readlink -m "${1:-${self%/*/*}/.cache/libvirt}")
if [[ -r $dir/domain.rng ]]; then exit 0; fi
for tool in apt-get apt-config dpkg-deb; do command -v "$tool" >/dev/null || fail 3 "no '$tool' here"; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A private apt, as in fetch-judges.sh: own state, this machine's mirror and proxies, signatures checked.
mkdir -p "$work"/{etc,debs,state/lists/partial,cache/archives/partial}
: >"$work/status"
{
  apt-config dump | grep -E '^Acquire::(https?|Check-Valid-Until|Max-ValidTime|ForceIPv[46]|Retries)\b' || true
  cat <<CONF
Dir::Etc::main "/dev/null"; Dir::Etc::parts "$work/etc"; Dir::Etc::sourceparts "$work/etc";
Dir::Etc::sourcelist "$work/sources.list"; Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "$work/etc";
Dir::State "$work/state"; Dir::State::status "$work/status"; Dir::Cache "$work/cache"; Dir::Log "$work";
Acquire::Languages "none"; Acquire::PDiffs "false"; APT::Update::Error-Mode "any"; APT::Sandbox::User "root";
CONF
} >"$work/apt.conf"
private_apt() { APT_CONFIG=$work/apt.conf apt-get -qq "$@" </dev/null >>"$work/log" 2>&1; }
keyring=$(compgen -G '/usr/share/keyrings/debian-archive-keyring.[gp][pg][gp]' | head -n 1 || true)
mirrors=$(apt-get update --print-uris -o Debug::NoLocking=1 2>/dev/null |
  sed -n "s|^'\(.*\)/dists/[^/]*/InRelease'.*|\1|p" | grep -v security | sort -u) || true
for mirror in $mirrors; do
  printf 'deb [%s] %s sid main\n' "${keyring:+signed-by=$keyring}" "$mirror" | sed 's/ \[\]//' >"$work/sources.list"
  if private_apt update && (cd "$work/debs" && private_apt download libvirt-common); then
    dpkg-deb -x "$work"/debs/libvirt-common_*.deb "$work/unpacked"
    mkdir -p "${dir%/*}"
    rm -rf "$dir"
    mv "$work/unpacked/usr/share/libvirt/schemas" "$dir"
    exit 0
  fi
done
fail 1 "no apt source of this machine gave libvirt-common of Debian sid"
