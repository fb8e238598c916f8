#!/usr/bin/env bash
# Builds a wheel from the objects of a build, installs it in a new virtual environment and uses it
# there: wheel_test.sh BUILD_FOLDER WORK_FOLDER TORCH_DIR.
set -euo pipefail
build=$1 work=$2 torch=$3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=$root/.venv-tests/bin/python
if [ ! -e "$root/.venv-tests/.bootstrap" ]; then
  echo "no Python packages for tests (./bootstrap.sh test installs them in .venv-tests)"
  exit 77
fi
rm -rf "$work"
mkdir -p "$work"
cd "$work"
export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 LADDER_OBJECTS_OF=$build Torch_DIR=$torch
"$python" -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
  --config-settings=build-dir="$work/build" --wheel-dir "$work" "$root"
wheel=$(echo ladder_networks-*.whl)

"$python" - "$wheel" <<'PYTHON'
import sys, zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    names = sorted(name for name in wheel.namelist() if not name.endswith("/"))
    metadata = wheel.read(next(n for n in names if n.endswith("/METADATA"))).decode()
modules = {name.split("/")[1].split(".")[0] for name in names if name.startswith("ladder_networks/")}
assert {"__init__", "_build", "_classifier", "_core", "py"} <= modules, names
others = [n for n in names if not n.startswith(("ladder_networks/", "ladder_networks-"))]
assert not others, others
for line in ("Name: ladder-networks", "License-Expression: BSD-3-Clause", "Requires-Dist: torch==2.11.*",
             "Classifier: Typing :: Typed", "Description-Content-Type: text/markdown"):
    assert line + "\n" in metadata, line
assert "Project-URL" not in metadata and "Home-page" not in metadata
PYTHON

"$python" -m venv new
site=$(new/bin/python -c 'import site; print(site.getsitepackages()[0])')
{ "$python" -c 'import site; print(site.getsitepackages()[0])'; (cd "$torch/../../../.." && pwd); } \
  >"$site/packages.pth"
new/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index "$wheel"
new/bin/python - "$root" <<'PYTHON'
import pathlib, re, sys

import ladder_networks
import numpy as np

assert pathlib.Path(ladder_networks.__file__).parents[4].name == "new", ladder_networks.__file__
version = re.search(r"ladder VERSION ([0-9.]+)", pathlib.Path(sys.argv[1], "CMakeLists.txt").read_text())[1]
assert ladder_networks.__version__ == version
truth = np.arange(90) % 2
rows = truth[:, None] * 4 + np.random.default_rng(0).normal(size=(90, 3))
model = ladder_networks.LadderClassifier(epochs=30, random_state=0)
assert model.fit(rows, np.where(np.arange(90) < 8, truth, -1)).score(rows, truth) > 0.95
PYTHON

# Another series of torch is refused, at import and at build.
mkdir -p "$work/other/torch-2.10.0.dist-info"
printf 'Metadata-Version: 2.1\nName: torch\nVersion: 2.10.0\n' >"$work/other/torch-2.10.0.dist-info/METADATA"
refusal=$(PYTHONPATH=$work/other new/bin/python -c 'import ladder_networks' 2>&1 | tail -n 1) || true
expected="ImportError: ladder_networks: expected torch 2.11 but got 2.10.0 (pip install 'torch==2.11.*')."
[ "$refusal" = "$expected" ] || { echo "import: expected '$expected' but got '$refusal'"; exit 1; }

fake=$work/fake/share/cmake/Torch
mkdir -p "$fake"
echo 'set(PACKAGE_VERSION "2.12.0")' >"$fake/TorchConfigVersion.cmake"
echo 'add_library(torch INTERFACE IMPORTED GLOBAL)' >"$fake/TorchConfig.cmake"
env -u LADDER_OBJECTS_OF Torch_DIR="$fake" cmake -S "$root" -B "$work/refused" -DLADDER_BUILD_PYTHON=ON \
  -DPython_EXECUTABLE="$python" >"$work/refused.log" 2>&1 &&
  { echo "build: expected a refusal of torch 2.12.0 but got none"; exit 1; }
tr -s ' \n' ' ' <"$work/refused.log" |
  grep -q "expected torch 2.11 for the Python module but got 2.12.0" || { cat "$work/refused.log"; exit 1; }
