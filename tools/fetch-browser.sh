#!/usr/bin/env bash
# Fetch a headless Chromium, the judge of `report`: Debian packages of this machine's own suite, unpacked and run where they
# lie. Nothing is installed and root is not needed.
#
#   tools/fetch-browser.sh     into .cache/browser, or into $VPCI_BROWSER_CACHE: bin/chromium-headless-shell
#
# Its processes start one another through /proc/self/exe, so it must run on this machine's own libc: unlike the judges of
# fetch-judges.sh it cannot come from another suite, and only what this machine lacks is downloaded.
#
# Exit status: 0 done or nothing to do; 1 a download failed; 3 this machine cannot fetch (not Debian).
set -euo pipefail

fail() { local status=$1; shift; printf 'fetch-browser: %s\n' "$*" >&2; exit "$status"; }

package=chromium-headless-shell
self=$(readlink -f "${BASH_SOURCE[0]}")
dir=$(readlink -m "${VPCI_BROWSER_CACHE:-${self%/*/*}/.cache/browser}")
hash=$(sha256sum <"$self")
is_done() { [[ -r $dir/stamp && $(<"$dir/stamp") == "$hash" ]]; }
if is_done; then exit 0; fi

for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || fail 3 "no '$tool' here; the browser comes as Debian packages, so this needs Debian"
done
mkdir -p "$dir"
printf '*\n' >"$dir/.gitignore"
exec 9>"$dir/lock" # two test runs may start at once; the second waits, then finds the stamp
flock 9
if is_done; then exit 0; fi
rm -rf "$dir"/work.*
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work"/{state/lists/partial,cache/archives/partial}
# Own state and cache; the list of what is installed is the machine's. Its hooks (clean-up, as root) are not run.
cat >"$work/apt.conf" <<CONF
Dir::State "$work/state"; Dir::State::status "/var/lib/dpkg/status"; Dir::Cache "$work/cache"; Dir::Log "$work";
APT::Sandbox::User "root"; Acquire::Languages "none"; Debug::NoLocking "1";
#clear APT::Update::Post-Invoke; #clear APT::Update::Post-Invoke-Success; #clear DPkg::Post-Invoke;
CONF
private_apt() { APT_CONFIG=$work/apt.conf apt-get -qq "$@" </dev/null >>"$work/log" 2>&1; }
private_apt update || true # an archive of a third party may be out of reach: the download below says whether it mattered
private_apt install -y --download-only --no-install-recommends "$package" fonts-dejavu-core ||
  { tail -n 8 "$work/log" >&2; fail 1 "cannot download $package"; }
for deb in "$work"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$work/root"; done

# A bare machine has neither fonts nor a word about where they are.
cat >"$work/root/fonts.conf" <<'FONTS'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir><dir prefix="relative">usr/share/fonts</dir>
  <alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
  <cachedir prefix="relative">var/cache/fontconfig</cachedir>
</fontconfig>
FONTS

rm -rf "$dir/root" "$dir/bin"
mv "$work/root" "$dir/root"
mkdir -p "$dir/bin"
program=$(cd "$dir/root" && compgen -G "usr/lib/chromium*/*headless*shell*" | head -n 1)
[[ -n $program ]] || fail 1 "the package holds no program"
cat >"$dir/bin/$package" <<'WRAPPER'
#!/bin/sh
R=$(dirname "$(dirname "$(readlink -f "$0")")")/root
for folder in "$R"/usr/lib/*-linux-gnu "$R"/lib/*-linux-gnu "$R"/usr/lib/*-linux-gnu/pulseaudio; do
  [ -d "$folder" ] && LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
done
export LD_LIBRARY_PATH
[ -r /etc/fonts/fonts.conf ] || export FONTCONFIG_FILE="$R/fonts.conf"
WRAPPER
printf 'exec "$R/%s" "$@"\n' "$program" >>"$dir/bin/$package" # shellcheck disable=SC2016
chmod 755 "$dir/bin/$package"
"$dir/bin/$package" --version >/dev/null || fail 1 "the unpacked browser does not start"
printf '%s' "$hash" >"$dir/stamp"
printf 'fetch-browser: ready in %s\n' "$dir/bin" >&2
