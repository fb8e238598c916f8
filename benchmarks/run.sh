#!/usr/bin/env bash
# Times the training step beside its peers: builds the program, installs the peers in .venv-bench.
# FLAGS go to benchmarks/step.py (try --help).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv="$root/.venv-bench"
python="$venv/bin/python"
requirements="$root/benchmarks/peers/requirements.txt"
log="$root/build/benchmarks/install.log"

for flag in "$@"; do
  case "$flag" in
    -h | --help) exec python3 "$root/benchmarks/step.py" --help ;;
  esac
done

install_peers() {
  local site
  [ -x "$python" ] || python3 -m venv "$venv"
  site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  # The project's own torch serves where it is complete; it is the largest part by far.
  local shared="$root/.venv${site#"$venv"}"
  [ ! -d "$shared/torch" ] || printf '%s\n' "$shared" >"$site/ladder-torch.pth"
  if ! (cd / && "$python" -W ignore -c 'import torch'); then
    rm -f "$site/ladder-torch.pth"
  fi
  "$python" -m pip install --disable-pip-version-check -r "$requirements"
  (cd / && "$python" -W ignore -c 'import jax, numpy, torch')
}

mkdir -p "${log%/*}"
"$root/bootstrap.sh" build
if ! cmp -s "$requirements" "$venv/installed.txt"; then
  printf -- '- Installing the peers in .venv-bench\n' >&2
  if install_peers >"$log" 2>&1 </dev/null; then
    cp "$requirements" "$venv/installed.txt"
  else
    tail -n 15 "$log" >&2
    [ -x "$python" ] || exit 1
    printf 'run.sh: not every peer could be installed; the table says which are missing.\n' >&2
  fi
fi
exec "$python" "$root/benchmarks/step.py" \
  --program "$root/build/${LADDER_PRESET:-release}/bin/ladder-step-bench" "$@"
