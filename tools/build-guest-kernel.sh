#!/usr/bin/env bash
# Build the Linux in which the tests of the real stack have an iommufd: Debian's own kernels are built without one.
#
#   tools/build-guest-kernel.sh     into .cache/judges/guest-kernel, or into $VPCI_CACHE/guest-kernel: bzImage, config
#
# The source is Debian sid's linux-source package (VPCI_KERNEL_SOURCE: such a tarball that is here already). Nothing is
# installed and root is not needed: build tools that are missing come as Debian packages and are run where they lie.
# gcc, make, tar and xz have to be here. It needs 2 GB of disk while it runs, and some minutes.
#
# ONE BIT IS FORGED. QEMU gives a guest a PASID capability only where the machine that it builds translates in the first
# stage (intel-iommu,fsts=on), and that only where the host's IOMMU can nest (ECAP_REG bit 26, NEST). The host of these
# tests is itself a guest, and the IOMMU that QEMU emulates for it never nests. So this kernel claims that bit for an
# IOMMU that has scalable mode and second-stage translation. All code that then runs is real: QEMU's, and the
# kernel's (IOMMU_GET_HW_INFO, the allocation of a nesting parent). No DMA is ever translated by it; what is shown is the
# configuration space. It is a kernel for these tests and for nothing else, and its release ends in -forged-nest.
#
# Exit status: 0 done or nothing to do; 1 a download or the build failed; 2 bad usage; 3 this machine cannot build it.
set -euo pipefail

fail() { local status=$1; shift; printf 'build-guest-kernel: %s\n' "$*" >&2; exit "$status"; }

[[ $# == 0 ]] || fail 2 "usage: build-guest-kernel.sh (got: $*)"
self=$(readlink -f "${BASH_SOURCE[0]}")
fragment=${self%/*}/guest-kernel.config
judges=$(readlink -m "${VPCI_CACHE:-${self%/*/*}/.cache/judges}")
dir=$judges/guest-kernel
case $dir in *[[:space:]\"]*) fail 2 "apt and make cannot work in a folder with a space or a quote in its name: $dir" ;; esac

# A stamp holds the hash of this script and of the configuration; it is written last.
hash=$(cat "$self" "$fragment" | sha256sum)
is_done() { [[ -r $dir/stamp && $(<"$dir/stamp") == "$hash" ]]; }
if is_done; then exit 0; fi

for tool in gcc make ld tar xz gzip apt-get apt-config apt-cache dpkg-deb; do
  command -v "$tool" >/dev/null || fail 3 "no '$tool' here"
done
[[ $(uname -m) == x86_64 ]] || fail 3 "it is a kernel for x86_64, and this machine is $(uname -m)"
mkdir -p "$judges"
printf '*\n' >"$judges/.gitignore"
exec 9>"$judges/guest-kernel.lock"
flock 9
if is_done; then exit 0; fi
rm -rf "$judges"/kernel-work.* # of a run that was killed
work=$(mktemp -d "$judges/kernel-work.XXXXXX")
trap 'rm -rf "$work"' EXIT
explain() { tail -n 12 "$work/log" >&2; fail 1 "$1"; }

# A private apt, as in fetch-judges.sh, that knows sid (the source) and this machine's own release (tools that run here).
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null || true)
mkdir -p "$work"/{etc,debs,tools,state/lists/partial,cache/archives/partial}
: >"$work/status"
{
  apt-config dump | grep -E '^Acquire::(https?|Check-Valid-Until|Max-ValidTime|ForceIPv[46]|Retries)\b' || true
  cat <<CONF
Dir::Etc::main "/dev/null"; Dir::Etc::parts "$work/etc"; Dir::Etc::sourceparts "$work/etc";
Dir::Etc::sourcelist "$work/sources.list"; Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "$work/etc";
Dir::State "$work/state"; Dir::State::status "$work/status"; Dir::Cache "$work/cache"; Dir::Log "$work";
Acquire::Languages "none"; Acquire::PDiffs "false"; APT::Update::Error-Mode "any";
APT::Architectures { "amd64"; }; APT::Default-Release "${release:-sid}";
CONF
} >"$work/apt.conf"
chmod 755 "$work"
if [[ $EUID == 0 ]] && ! setpriv --reuid=_apt --clear-groups test -x "$work" 2>/dev/null; then
  printf 'APT::Sandbox::User "root";\n' >>"$work/apt.conf"
fi
private_apt() { APT_CONFIG=$work/apt.conf apt-get -qq "$@" </dev/null >>"$work/log" 2>&1; }
depends() { # depends RELEASE PACKAGE PATTERN: the package it depends on whose name is like that
  APT_CONFIG=$work/apt.conf apt-cache -o "APT::Default-Release=$1" depends "$2" 2>>"$work/log" |
    sed -n "s/^ *Depends: \($3\)\$/\1/p" | head -n 1
}
know_packages() { # once, and only where something has to be downloaded
  [[ ! -e $work/known ]] || return 0
  local keyring mirrors mirror suite
  keyring=$(compgen -G '/usr/share/keyrings/debian-archive-keyring.[gp][pg][gp]' | head -n 1 || true)
  mirrors=$(apt-get update --print-uris -o Debug::NoLocking=1 2>/dev/null |
    sed -n "s|^'\(.*\)/dists/[^/]*/InRelease'.*|\1|p" | grep -v security | sort -u) || true
  [[ -n $mirrors ]] || fail 3 "this machine's apt sources name no archive"
  for mirror in $mirrors; do
    for suite in sid $release; do
      printf 'deb [%s] %s %s main\n' "${keyring:+signed-by=$keyring}" "$mirror" "$suite" | sed 's/ \[\]//'
    done | sort -u >"$work/sources.list"
    if private_apt update; then touch "$work/known" && return 0; fi
  done
  explain "no apt source of this machine gave signed indexes of Debian sid and of ${release:-sid}"
}
unpack() { # unpack PACKAGE...: into the folder of tools
  local deb
  know_packages
  rm -f "$work"/debs/*.deb
  (cd "$work/debs" && private_apt download "$@") || explain "cannot download: $*"
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/tools"; done
  rm -f "$work"/debs/*.deb
}

missing=()
for tool in flex bison m4 bc perl; do command -v "$tool" >/dev/null || missing+=("$tool"); done
options=()
if ! printf '#include <gelf.h>\n' | gcc -E - >/dev/null 2>&1; then
  know_packages
  missing+=(libelf-dev "$(depends "${release:-sid}" libelf-dev 'libelf1[a-z0-9]*')")
  libraries=$work/tools/usr/lib/x86_64-linux-gnu
  options+=("LIBELF_FLAGS=-I$work/tools/usr/include" "LIBELF_LIBS=-L$libraries -lelf -Wl,-rpath,$libraries")
fi
if [[ ${#missing[@]} -gt 0 ]]; then
  unpack "${missing[@]}"
  export PATH=$work/tools/usr/bin:$PATH
  if [[ -x $work/tools/usr/bin/m4 ]]; then export M4=$work/tools/usr/bin/m4; fi
  if [[ -d $work/tools/usr/share/bison ]]; then export BISON_PKGDATADIR=$work/tools/usr/share/bison; fi
fi

tarball=${VPCI_KERNEL_SOURCE:-}
if [[ -z $tarball ]]; then
  know_packages
  package=$(depends sid linux-source 'linux-source-[0-9.]*')
  [[ -n $package ]] || explain "Debian's linux-source names no package"
  unpack "$package/sid"
  tarball=$(compgen -G "$work/tools/usr/src/linux-source-*.tar.xz") || fail 1 "$package holds no source"
fi
source=$work/source
mkdir "$source"
tar -C "$source" --strip-components=1 -xJf "$tarball" --exclude='*/asic_reg/*' --exclude='*.dts' --exclude='*.rst' \
  --exclude='*/tools/testing/*' || fail 1 "cannot unpack $tarball"
rm -rf "$work/tools/usr/src"
printf 'build-guest-kernel: the source is here after %d s\n' "$SECONDS" >&2

# The forged bit; see above.
file=$source/drivers/iommu/intel/dmar.c
line='\tiommu->ecap = readq(iommu->reg + DMAR_ECAP_REG);'
sed -i "s|^$line\$|&\n\tif (ecap_smts(iommu->ecap) \&\& ecap_slts(iommu->ecap))\n\t\tiommu->ecap \|= BIT_ULL(26); /* forged NEST */|" "$file"
[[ $(grep -c 'forged NEST' "$file") == 1 ]] || fail 1 "this source reads ECAP_REG elsewhere: $file"

cd "$source"
export KBUILD_BUILD_USER=vpci KBUILD_BUILD_HOST=vpci KBUILD_BUILD_TIMESTAMP='1970-01-01' LOCALVERSION=
run() { "$@" </dev/null >>"$work/log" 2>&1 || explain "this failed: $*"; }
run make -s tinyconfig "${options[@]}"
run ./scripts/kconfig/merge_config.sh -m .config "$fragment"
run make -s olddefconfig
# What the configuration asks for and the kernel does not know, or does not let have, it drops without a word.
while read -r line; do
  case $line in
    CONFIG_*=*) grep -qxF -- "$line" .config || fail 1 "this kernel does not take $line" ;;
    '# CONFIG_'*' is not set')
      name=${line#\# }
      if grep -q "^${name%% *}=" .config; then fail 1 "this kernel insists on ${name%% *}"; fi
      ;;
  esac
done <"$fragment"
run make -s -j"$(nproc)" bzImage "${options[@]}"
rm -rf "$dir" && mkdir "$dir"
cp arch/x86/boot/bzImage "$dir/bzImage"
cp .config "$dir/config"
make -s kernelrelease >"$dir/release"
printf '%s' "$hash" >"$dir/stamp"
printf 'build-guest-kernel: Linux %s, %d KiB, after %d min %d s: %s\n' "$(<"$dir/release")" \
  $(($(stat -c %s "$dir/bzImage") / 1024)) $((SECONDS / 60)) $((SECONDS % 60)) "$dir/bzImage" >&2
