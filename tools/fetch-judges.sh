#!/usr/bin/env bash
# Fetch independent judges of what this project compiles: the newest lspci, iasl, fwts and linux/pci_regs.h; with --qemu
# also QEMU and the Linux that it boots. Nothing is installed and root is not needed: Debian packages are downloaded,
# unpacked and run where they lie.
#
#   tools/fetch-judges.sh [--qemu]     into .cache/judges, or into $VPCI_CACHE
#
#   bin/lspci, bin/iasl, bin/fwts               Debian sid: they decode the newest capabilities and table types
#   bin/lspci-old, bin/iasl-old                 this machine's own suite, best effort: what users' machines still run
#   bin/qemu-system-x86_64, -aarch64            with --qemu (Debian sid: vfio-user-pci needs QEMU 10.1 or newer)
#   guest-x86_64, guest-aarch64                 with --qemu: what a small guest of QEMU is made of: the newest cloud
#                                               kernel (and drivers for x86_64), busybox, lspci with its libraries
#   include/linux/pci_regs.h, share/pci.ids     masks and names to check the catalogue against
#
# Exit status: 0 done or nothing to do; 1 a download failed; 2 bad usage; 3 this machine cannot fetch (not Debian).
# shellcheck disable=SC2016 # $R in single quotes is for the wrappers: they expand it when they run
set -euo pipefail

fail() { local status=$1; shift; printf 'fetch-judges: %s\n' "$*" >&2; exit "$status"; }

want_qemu=no
case "$*" in '') ;; --qemu) want_qemu=yes ;; *) fail 2 "usage: fetch-judges.sh [--qemu] (got: $*)" ;; esac
self=$(readlink -f "${BASH_SOURCE[0]}")
dir=$(readlink -m "${VPCI_CACHE:-${self%/*/*}/.cache/judges}")
case $dir in *[[:space:]\"]*) fail 2 "apt cannot work in a folder with a space or a quote in its name: $dir" ;; esac

# A stamp holds the hash of this very script, so a changed package list fetches again. It is written last, and each part
# is moved into place whole: an interrupted run never leaves a stamp on half a judge.
hash=$(sha256sum <"$self")
is_done() { [[ -r $dir/$1.stamp && $(<"$dir/$1.stamp") == "$hash" ]]; }
parts=(base)
if [[ $want_qemu == yes ]]; then parts+=(qemu guest-x86_64 guest-aarch64); fi
nothing_to_do() { local part; for part in "${parts[@]}"; do is_done "$part" || return 1; done; }
if nothing_to_do; then exit 0; fi

for tool in apt-get apt-config dpkg-deb; do
  command -v "$tool" >/dev/null || fail 3 "no '$tool' here; the judges come as Debian packages, so this needs Debian"
done
mkdir -p "$dir/bin" "$dir/include/linux" "$dir/share"
printf '*\n' >"$dir/.gitignore" # the folder ignores itself, wherever VPCI_CACHE puts it
exec 9>"$dir/lock"              # two test runs may start at once; the second waits, then finds the stamp
flock 9
if nothing_to_do; then exit 0; fi
rm -rf "$dir"/work.* # of a run that was killed
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A private apt: own state, own cache and an empty status file, so that apt believes nothing is installed and takes
# every dependency, libc and loader included. The machine's apt.conf.d is not read (its hooks touch the machine's caches
# and need root), but what it says about reaching its mirror is kept: proxies, certificates, how old an index may be.
mkdir -p "$work"/{etc,debs,state/lists/partial,cache/archives/partial}
: >"$work/status"
{
  apt-config dump | grep -E '^Acquire::(https?|Check-Valid-Until|Max-ValidTime|ForceIPv[46]|Retries)\b' || true
  cat <<CONF
Dir::Etc::main "/dev/null"; Dir::Etc::parts "$work/etc"; Dir::Etc::sourceparts "$work/etc";
Dir::Etc::sourcelist "$work/sources.list"; Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "$work/etc";
Dir::State "$work/state"; Dir::State::status "$work/status"; Dir::Cache "$work/cache"; Dir::Log "$work";
Acquire::Languages "none"; Acquire::PDiffs "false"; APT::Update::Error-Mode "any";
CONF
  # The guests are of these two, whatever this machine is; indexes are downloaded for no more than is needed.
  printf 'APT::Architectures { "%s"; };\n' "$(dpkg --print-architecture)"
  if [[ $want_qemu == yes ]]; then printf 'APT::Architectures { "%s"; };\n' amd64 arm64; fi
} >"$work/apt.conf"
# Run by root, apt downloads as user _apt, who may be unable to walk to a checkout in somebody's private folder.
chmod 755 "$work"
if [[ $EUID == 0 ]] && ! setpriv --reuid=_apt --clear-groups test -x "$work" 2>/dev/null; then
  printf 'APT::Sandbox::User "root";\n' >>"$work/apt.conf"
fi
private_apt() { APT_CONFIG=$work/apt.conf apt-get -qq "$@" </dev/null >>"$work/log" 2>&1; }
explain() { tail -n 8 "$work/log" >&2; fail 1 "$1"; }

# The mirror is the machine's own: apt itself is asked, so every form of apt sources is understood. Archives of third
# parties are in that list too; they have no sid signed by Debian, so they fail here and the next one is tried. The
# signature check stays on: sid's index is signed by the keys of the last stable releases, which their keyrings hold.
# Without that keyring file apt falls back to the keys the machine trusts for everything (/etc/apt/trusted.gpg.d).
keyring=$(compgen -G '/usr/share/keyrings/debian-archive-keyring.[gp][pg][gp]' | head -n 1 || true)
mirrors=$(apt-get update --print-uris -o Debug::NoLocking=1 2>/dev/null |
  sed -n "s|^'\(.*\)/dists/[^/]*/InRelease'.*|\1|p" | grep -v security | sort -u) || true
[[ -n $mirrors ]] || fail 3 "this machine's apt sources name no archive"
found=no
for mirror in $mirrors; do
  printf 'deb [%s] %s sid main\n' "${keyring:+signed-by=$keyring}" "$mirror" | sed 's/ \[\]//' >"$work/sources.list"
  if private_apt update; then found=yes && break; fi
done
[[ $found == yes ]] || explain "no apt source of this machine gave a signed index of Debian sid"

fetch() { # fetch PART PACKAGE...: the packages and all they depend on, unpacked in PART of the work folder
  local part=$1 deb; shift
  rm -f "$work"/cache/archives/*.deb "$dir/$part.stamp"
  private_apt install -y --download-only --no-install-recommends "$@" || explain "cannot download: $*"
  for deb in "$work"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$work/$part"; done
}
place() { rm -rf "${dir:?}/$1" && mv "$work/$1" "$dir/$1"; } # place PART: move it to where it belongs, whole

# fetch_guest CPU ARCHITECTURE [PACKAGE...]: as fetch, what a guest is made of; a meta package knows the newest kernel.
fetch_guest() {
  local cpu=$1 part=guest-$1 arch=$2 kernel deb; shift 2
  kernel=$(APT_CONFIG=$work/apt.conf apt-cache depends "linux-image-cloud-$arch:$arch" 2>>"$work/log" |
    sed -n 's/^ *Depends: linux-image-\([^:]*\).*/\1/p')
  [[ -n $kernel ]] || explain "linux-image-cloud-$arch names no kernel"
  fetch "$part" "pciutils:$arch" "busybox-static:$arch" "$@"
  # The kernel comes without what it depends on: that is there to install it. One architecture is enough for drivers.
  set -- "linux-binary-$kernel:$arch"
  if [[ $arch == amd64 ]]; then set -- "$@" "linux-modules-$kernel:$arch"; fi
  rm -f "$work"/debs/*.deb
  (cd "$work/debs" && private_apt download "$@") || explain "cannot download: $*"
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/$part"; done
  ( # of some hundred megabytes a tenth is needed
    shopt -s nullglob
    mkdir "$work/kept" && cd "$work/$part"
    cp -a --parents usr/bin/busybox usr/bin/lspci usr/lib/"$cpu"-linux-gnu/*.so* usr/share/qemu-efi-aarch64/*.fd \
      usr/lib/modules/*/vmlinuz usr/lib/modules/*/kernel/{virt,drivers/{char,iommu,net,nvme,pci,uio,vfio,virtio}} "$work/kept"
  )
  rm -rf "${work:?}/$part" && mv "$work/kept" "$work/$part"
}

# wrap NAME "PART..." PROGRAM [ARGUMENT...]: a wrapper that starts a program with its own loader and its own libraries
# only, as this machine's libc may be older. $R is found when it runs: the folder may be moved, copied or mounted.
wrap() {
  local name=$1 parts=$2 libs='' loader part; shift 2
  loader=$(cd "$dir" && compgen -G "${parts##* }/usr/lib/*-linux-gnu*/ld-linux*.so.*" | head -n 1)
  for part in $parts; do libs+="${libs:+:}\$R/$part/usr/lib/$(basename "${loader%/*}")"; done
  {
    printf '#!/bin/sh\nR=$(dirname "$(dirname "$(readlink -f "$0")")")\n'
    if [[ $name == qemu-* ]]; then printf 'export QEMU_MODULE_DIR="%s/qemu"\n' "$libs"; fi
    printf '[ "$*" = --version ] || set --' # lspci knows --version only as its one argument
    if [[ $# -gt 1 ]]; then printf ' "%s"' "${@:2}"; fi
    printf ' "$@"\nexec "$R/%s" --inhibit-cache --library-path "%s" "%s" "$@"\n' "$loader" "$libs" "$1"
  } >"$work/$name"
  chmod 755 "$work/$name" && mv "$work/$name" "$dir/bin/$name"
}

if ! is_done base; then
  fetch base linux-libc-dev acpica-tools fwts pciutils pci.ids
  for own in "$work"/base/usr/lib/*/fwts; do mv "$own"/*.so* "${own%/*}"; done # where the others are
  place base
  ln -sfn ../../base/usr/include/linux/pci_regs.h "$dir/include/linux/pci_regs.h"
  ln -sfn ../base/usr/share/misc/pci.ids "$dir/share/pci.ids"
  wrap lspci base '$R/base/usr/bin/lspci' -i '$R/share/pci.ids'
  wrap iasl base '$R/base/usr/bin/iasl'
  wrap fwts base '$R/base/usr/bin/fwts'
  { "$dir/bin/lspci" --version && "$dir/bin/iasl" -v && "$dir/bin/fwts" --version; } >/dev/null || fail 1 "the unpacked judges do not start"
  # The old ones come through the machine's own apt and index. Where there is no index (a fresh container) they are just
  # missing. They too run on sid's libc, which is backwards compatible, so that nothing has to be installed for them.
  rm -rf "$dir/old" "$dir"/bin/*-old
  if (cd "$work/debs" && apt-get -qq download acpica-tools pciutils libpci3) </dev/null >>"$work/log" 2>&1; then
    for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$dir/old"; done
    wrap lspci-old 'old base' '$R/old/usr/bin/lspci' -i '$R/share/pci.ids'
    wrap iasl-old 'old base' '$R/old/usr/bin/iasl'
  fi
  printf '%s' "$hash" >"$dir/base.stamp"
fi
if [[ $want_qemu == yes ]] && ! is_done qemu; then
  fetch qemu qemu-system-x86 qemu-system-arm
  place qemu
  for cpu in x86_64 aarch64; do
    wrap "qemu-system-$cpu" qemu '$R/qemu/usr/bin/qemu-system-'"$cpu" \
      -L '$R/qemu/usr/share/qemu' -L '$R/qemu/usr/share/seabios' -L '$R/qemu/usr/lib/ipxe/qemu'
    "$dir/bin/qemu-system-$cpu" --version >/dev/null || fail 1 "the unpacked QEMU does not start"
  done
  printf '%s' "$hash" >"$dir/qemu.stamp"
fi
if [[ $want_qemu == yes ]]; then
  for guest in 'x86_64 amd64' 'aarch64 arm64 qemu-efi-aarch64'; do
    read -ra names <<<"$guest"
    is_done "guest-${names[0]}" && continue
    fetch_guest "${names[@]}"
    place "guest-${names[0]}"
    printf '%s' "$hash" >"$dir/guest-${names[0]}.stamp"
  done
fi
printf 'fetch-judges: ready in %s\n' "$dir/bin" >&2
