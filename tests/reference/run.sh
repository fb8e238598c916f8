#!/usr/bin/env bash
# Runs a script of this folder by the Python of the tests: run.sh SCRIPT [FLAGS]. Returns 77, which ctest
# takes for skipped, where that has no PyTorch.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
environment=$here/../../.venv-tests
if [ ! -e "$environment/.bootstrap" ] || ! "$environment/bin/python" -c "import torch" 2>/dev/null; then
  echo "no PyTorch in .venv-tests (./bootstrap.sh test makes it; the LibTorch of the build has to be a wheel)"
  exit 77
fi
export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 # tests run beside each other
cd "$here"
exec "$environment/bin/python" "$@"
