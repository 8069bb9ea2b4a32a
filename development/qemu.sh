#!/bin/sh
# Installs QEMU for the tests that compare the simulated unit with it, where it is missing and can be installed:
# on Debian and its relatives, as root or with a sudo that asks nothing. Says nothing unless it cannot.

command -v "${DMASCOPE_QEMU:-qemu-system-x86_64}" >/dev/null 2>&1 && exit 0

cannot() {
  echo "QEMU is not installed ($1), so the tests that need it are skipped."
  exit 0
}

command -v apt-get >/dev/null 2>&1 || cannot 'there is no apt-get'
as_root=''
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true >/dev/null 2>&1 || cannot 'neither root nor sudo without a password'
  as_root='sudo -n'
fi

export DEBIAN_FRONTEND=noninteractive
# Old package lists are tried, too, if new ones cannot be had.
$as_root apt-get update >/dev/null 2>&1
$as_root apt-get install -y --no-install-recommends qemu-system-x86 </dev/null >/dev/null 2>&1 ||
  cannot 'apt-get could not install qemu-system-x86'
