#!/usr/bin/env bash
# Runs tests of the Python package against a build: run.sh PACKAGES PROGRAMS [PYTEST FLAGS]. PACKAGES is
# the folder that holds the package, PROGRAMS that of the programs to compare with. Returns 77, which
# ctest takes for skipped, where the Python packages for tests are not installed.
set -euo pipefail
packages=$1 programs=$2
shift 2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ ! -e "$root/.venv-tests/.bootstrap" ]; then
  echo "no Python packages for tests (./bootstrap.sh test installs them in .venv-tests)"
  exit 77
fi
export PYTHONPATH=$packages PYTHONDONTWRITEBYTECODE=1 LADDER_PROGRAMS=$programs
export LADDER_MYPY_CACHE=$packages/../mypy-cache
export OMP_NUM_THREADS=1 # the networks of these tests are small, and tests run beside each other
cd "$root"
status=0
.venv-tests/bin/python -m pytest -q -p no:cacheprovider "$@" || status=$?
[ "$status" -ne 5 ] || status=77 # every test of the file needs a package that is not there
exit "$status"
