#!/bin/sh
# Installs Slurm for the test that runs a sweep as one of its job arrays, where it is missing and can be installed: on
# Debian and its relatives, as root. Says nothing unless it cannot.

command -v sbatch >/dev/null 2>&1 && command -v slurmctld >/dev/null 2>&1 && exit 0

cannot() {
  echo "Slurm is not installed ($1), so the test that needs it is skipped."
  exit 0
}

command -v apt-get >/dev/null 2>&1 || cannot 'there is no apt-get'
[ "$(id -u)" -eq 0 ] || cannot 'only root can start it'

export DEBIAN_FRONTEND=noninteractive
# The package starts nothing where there is no configuration; the test starts it with one of its own.
apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends slurm-wlm munge </dev/null >/dev/null 2>&1 ||
  cannot 'apt-get could not install slurm-wlm'
