#!/usr/bin/env bash
# Fetch libvirt (Debian sid) with its schemas and a QEMU for it, as a tree to be changed into, in .cache/libvirt-tree or the
# folder given. Nothing is installed and root is not needed. Beside fetch-judges.sh, whose stamps hold its own hash: QEMU
# stays when this changes.
#
#   etc, usr, var                          what `virsh -c qemu:///embed` needs, and no more
#   usr/share/libvirt/schemas/domain.rng   the schema of domain XML
#
# Exit status: 0 done or nothing to do; 1 a download failed; 3 this machine cannot fetch (not Debian).
set -euo pipefail

fail() { local status=$1; shift; printf 'fetch-libvirt: %s\n' "$*" >&2; exit "$status"; }

self=$(readlink -f "${BASH_SOURCE[0]}")
dir=$(readlink -m "${1:-${self%/*/*}/.cache/libvirt-tree}")
if [[ -r $dir/stamp && $(<"$dir/stamp") == "$(sha256sum <"$self")" ]]; then exit 0; fi
if [[ -L ${1:-${self%/*/*}/.cache/libvirt-tree} ]]; then fail 1 "$dir is of another checkout: not replaced"; fi
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
  # apt believes that nothing is installed, and takes every dependency, libc and loader included.
  if private_apt update && private_apt install -y --download-only --no-install-recommends \
    libvirt-daemon-driver-qemu libvirt-clients libvirt-common qemu-system-x86 qemu-system-arm qemu-efi-aarch64 busybox-static; then
    tree=$work/tree
    mkdir -p "$tree" "${dir%/*}"
    for deb in "$work"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$tree"; done
    # Of firmware libvirt reads descriptions, and asks whether the files are there.
    find "$tree/usr/share/AAVMF" -type f -exec truncate -s 0 {} +
    find "$tree/usr/bin" "$tree/usr/sbin" ! -type d ! -name virsh ! -name busybox ! -name qemu-system-x86_64 \
      ! -name qemu-system-aarch64 -delete
    rm -rf "$tree"/usr/{share/{doc,man,locale,perl5,bash-completion,zsh,lintian,info,qemu-efi-aarch64},lib/systemd}
    for link in bin sbin lib lib64; do ln -sfn "usr/$link" "$tree/$link"; done
    for name in sh env; do ln -sfn busybox "$tree/usr/bin/$name"; done
    mkdir -p "$tree"/{proc,dev,tmp,run,sys,root}
    printf 'root:x:0:0::/root:/bin/sh\nlibvirt-qemu:x:0:0::/:/bin/sh\n' >"$tree/etc/passwd"
    printf 'root:x:0:\nkvm:x:0:\nlibvirt-qemu:x:0:\n' >"$tree/etc/group"
    sha256sum <"$self" >"$tree/stamp"
    rm -rf "$dir"
    mv "$tree" "$dir"
    exit 0
  fi
done
tail -n 8 "$work/log" >&2
fail 1 "no apt source of this machine gave libvirt of Debian sid"
