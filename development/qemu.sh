#!/bin/sh
# Installs QEMU for the tests that compare the simulated unit with it, where it can be installed: on Debian and its
# relatives, as root or with a sudo that asks nothing. First-stage translation needs QEMU 10. Where the release has an
# older one, its backports have it, and are taken from the mirror that this machine uses already.
# Says nothing unless something cannot be had.

qemu=${DMASCOPE_QEMU:-qemu-system-x86_64}
package=qemu-system-x86

is_there() { command -v "$qemu" >/dev/null 2>&1; }
knows_first_stage() { "$qemu" -device intel-iommu,help 2>/dev/null </dev/null | grep -q x-flts; }

finish() {
  is_there && knows_first_stage && exit 0
  if is_there; then
    echo "QEMU does not know first-stage translation ($1), so the tests that need it are skipped."
  else
    echo "QEMU is not installed ($1), so the tests that need it are skipped."
  fi
  exit 0
}

is_there && { knows_first_stage || [ -n "${DMASCOPE_QEMU:-}" ]; } && finish 'DMASCOPE_QEMU names another'

command -v apt-get >/dev/null 2>&1 || finish 'there is no apt-get'
as_root=''
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true >/dev/null 2>&1 || finish 'neither root nor sudo without a password'
  as_root='sudo -n'
fi

export DEBIAN_FRONTEND=noninteractive
apt() {
  $as_root apt-get -o DPkg::Lock::Timeout=120 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@" \
    </dev/null >/dev/null 2>&1
}
install() { apt install -y --no-install-recommends "$1"; }

codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")
backports=$codename-backports
lists=/etc/apt/sources.list.d
added=''

# This machine's own entry for the release, with the other suite: in the form of one line, or in that of a stanza.
line_for_backports() {
  cat /etc/apt/sources.list "$lists"/*.list 2>/dev/null | awk -v release="$codename" -v suite="$backports" '
    $1 == "deb" {
      uri = 2
      if ($2 ~ /^\[/) { while (uri < NF && $uri !~ /\]$/) uri++; uri++ }
      if ($(uri + 1) != release) next
      for (i = uri + 2; i <= NF && $i != "main"; i++);
      if (i > NF) next
      for (i = 1; i <= uri; i++) printf "%s ", $i
      print suite, "main"
      exit
    }'
}
stanza_for_backports() {
  for file in "$lists"/*.sources; do
    [ -f "$file" ] || continue
    grep -v '^#' "$file" | awk -v release="$codename" -v suite="$backports" '
      BEGIN { RS = ""; FS = "\n" }
      {
        split("", fields)
        for (i = 1; i <= NF; i++) if (match($i, /^[A-Za-z-]+:/)) {
          fields[substr($i, 1, RLENGTH - 1)] = substr($i, RLENGTH + 1) " "
        }
        if (!index(fields["Types"], " deb ") || fields["Enabled"] ~ /no/) next
        if (!index(fields["Suites"], " " release " ") || !index(fields["Components"], " main ")) next
        for (i = 1; i <= NF; i++) {
          if ($i ~ /^Types:/) print "Types: deb"
          else if ($i ~ /^Suites:/) print "Suites: " suite
          else if ($i ~ /^Components:/) print "Components: main"
          else print $i
        }
        exit
      }'
  done
}

knows_backports() { apt-cache policy | grep -q "n=$backports,"; }

# Packages of backports are never chosen unless their suite is named, so the entry changes nothing else.
add_backports() {
  [ -n "$codename" ] || return 1
  entry=$(line_for_backports)
  added=$lists/dmascope-backports.list
  if [ -z "$entry" ]; then
    entry=$(stanza_for_backports | sed '/^$/q')
    added=$lists/dmascope-backports.sources
  fi
  [ -n "$entry" ] || { added=''; return 1; }
  printf '# Added by development/qemu.sh of dmascope, for QEMU 10.\n%s\n' "$entry" | $as_root tee "$added" >/dev/null
  # This entry alone: the others are up to date, or cannot be had.
  apt update -o "Dir::Etc::sourcelist=$added" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0
  knows_backports
}

# Old package lists are tried, too, if new ones cannot be had.
apt update

reason="apt-get could not install $package"
candidate=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: *\([0-9]*:\)\{0,1\}\([0-9]*\)\..*/\2/p')
if [ "${candidate:-0}" -ge 10 ]; then
  install "$package"
elif { knows_backports || add_backports; } && install "$package/$backports"; then
  :
else
  reason="$package of $backports could not be had"
  [ -z "$added" ] || $as_root rm -f "$added"
  is_there || install "$package"
fi
finish "$reason"
