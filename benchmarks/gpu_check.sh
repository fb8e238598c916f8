#!/usr/bin/env bash
# Builds, tests and measures Ladder on a CUDA GPU; `benchmarks/gpu_check.sh --help` says how.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build="$root/build/gpu"
python=${PYTHON:-python3}
all_phases=(build test sanitize bench ranks train)
all_networks=full,gamma,bottom,baseline,conv-fc,conv-small,conv-small-full,conv-large
table_rows=mnist-100-gamma:1..10,mnist-100-bottom:1..10,mnist-50-full:1..10,mnist-1000-full:1..10,mnist-all-full:1..10
all_runs=full,tf32,seeds,conv-small,no-graph,conv-large

usage() {
  cat <<TEXT
usage: benchmarks/gpu_check.sh [FLAGS] [PHASE...]

  build       configure and build build/gpu for the GPU at hand, with tests and benchmarks
  test        the tests that need a GPU
  sanitize    compute-sanitizer on those tests and on a few training steps, where it is installed
  bench       the training step beside other implementations (benchmarks/step.py)
  ranks       exchanges between GPUs, and a network that two ranks train
  train       published recipes from the first step to the test error
  table       rows of the published tables, all seeds of a row at once; a later call goes on

Without a PHASE all but the last, in this order. Phases need the build alone and may come in calls of
their own; a failure stops none of them.

  --packages DIR       folder that benchmarks/collect_packages.sh made, where the system lacks them
  --data DIR           folder of MNIST and CIFAR-10 as in \$LADDER_DATA, which is the default
  --out DIR            folder of the report (\$OUT or build/gpu/report)
  --minutes N          begin nothing after N minutes, and stop what runs
  --whole-suite        test: every other test, too
  --networks A,B       bench: some of $all_networks
  --precisions A,B     bench: some of float32,tf32,bfloat16
  --only A,B           bench: some rows of benchmarks/step.py
  --runs A,B           train: some of $all_runs
  --rows A:N..M,B:N    table: recipes of ladder-mnist with their seeds, in this order, and after
                       another colon with flags (mnist-100-fast:1..10:--repair 1)
  --help               this text

The report is gpu.md, to which every call adds; beside it are a log of each phase and the figures
of the benchmarks (bench.jsonl). The status is 0 when all went well, 1 when something failed or there
was no time for it, 2 without a GPU. Set PYTHON to another Python with PyTorch than python3, and
LADDER_COMMIT where there is no git.
TEXT
}

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "gpu_check: $*"
  exit 1
}

# ---- Report and steps

failures=0
deadline=0 # of SECONDS; 0: none

report() { printf '%s\n' "$*" >>"$out/gpu.md"; }

# in_quotes COMMAND...: the command as one may type it, in the repository's folder.
in_quotes() {
  local text
  text=$(printf '%q ' "$@")
  text=${text//"$root/"/}
  printf '%s' "${text% }"
}

# attempt LIMIT SENTENCE COMMAND...: runs the command for at most LIMIT seconds, with its output in
# the phase's log and what it printed in $printed. False when it failed.
attempt() {
  local limit=$1 sentence=$2 started=$SECONDS status=0 result
  shift 2
  printed=""
  : >"$scratch/printed"
  if [ "$deadline" -gt 0 ]; then
    local left=$((deadline - SECONDS))
    if [ "$left" -lt 15 ]; then
      say "- $sentence: left out, the time is up"
      report "- **left out**, the time is up: $sentence"
      failures=$((failures + 1))
      return 1
    fi
    [ "$limit" -le "$left" ] || limit=$left
  fi
  printf -- '- %s ... ' "$sentence" >&2
  printf '\n== %s\n$ %s\n' "$sentence" "$(in_quotes "$@")" >>"$log"
  # In the background, so that an interruption is seen before the command ends.
  {
    cd "$root"
    timeout --kill-after=20 "$limit" "$@" 2>>"$log" </dev/null &
    printf '%s\n' $! >"$scratch/pid"
    wait $!
  } | tee -a "$log" >"$scratch/printed" &
  wait $! || status=$?
  printed=$(<"$scratch/printed")
  case "$status" in
    0) result=ok ;;
    "$skipped_status") result="ok, some skipped" ;;
    124 | 137) result="stopped after $limit s" ;;
    *) result="failed with status $status" ;;
  esac
  report "- **$result**, $((SECONDS - started)) s: $sentence, \`$(in_quotes "$@")\`"
  case "$result" in
    ok*) say "$result ($((SECONDS - started)) s)" ;;
    *)
      say "$result. The last lines of $log:"
      tail -n 15 "$log" >&2
      failures=$((failures + 1))
      return 1
      ;;
  esac
}

# note TEXT: what came out of the last step.
note() {
  say "  $*"
  report "  $*"
}

# left_out SENTENCE: a step that cannot be here, which is no failure.
left_out() {
  say "- $*"
  report "- **left out**: $*"
}

interrupted() {
  say interrupted
  report
  report "Interrupted."
  [ ! -e "$scratch/pid" ] || kill "$(<"$scratch/pid")" 2>/dev/null || true
  exit 130
}

# needs PROGRAM: whether it is built.
needs() {
  [ -x "$build/bin/$1" ] && return 0
  left_out "$1 is not built (benchmarks/gpu_check.sh build)"
  failures=$((failures + 1))
  return 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# ---- Machine

# Sets gpu, capability, torch and torch_cmake; false without a GPU.
find_gpu() {
  local facts
  facts=$("$python" -W ignore - <<'PYTHON'
import torch

if torch.cuda.is_available():
    properties = torch.cuda.get_device_properties(0)
    print(f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    print(f"{properties.major}.{properties.minor}")
    print(f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    print(torch.utils.cmake_prefix_path)
PYTHON
  ) || fail "expected PyTorch in $python but could not import it (PYTHON names another)."
  { read -r gpu && read -r capability && read -r torch && read -r torch_cmake; } <<<"$facts"
}

commit() {
  local found
  if found=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null); then
    [ -z "$(git -C "$root" status --porcelain 2>/dev/null)" ] || found+=" with changes"
    printf '%s\n' "$found"
  else
    printf '%s\n' "${LADDER_COMMIT:-unknown}"
  fi
}

describe_machine() {
  local cpu driver nvcc compiler
  cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1 || true)
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1 ||
    true)
  nvcc=$(nvcc --version 2>/dev/null | sed -n 's/^Cuda compilation tools, //p' || true)
  compiler=$(c++ --version 2>/dev/null | head -n 1 || true)
  report "# Ladder on $gpu"
  report
  report "- commit $(commit), $(date -u +%Y-%m-%d), phases: ${phases[*]}"
  report "- GPU: $gpu, compute capability $capability, driver ${driver:-unknown}"
  report "- CPU: ${cpu:-unknown}, $(nproc) cores; $(uname -sr)"
  report "- LibTorch $torch; $("$python" --version)"
  report "- nvcc: ${nvcc:-none}; c++: ${compiler:-none}"
}

# ---- Phases

job_count() {
  local jobs fit
  jobs=$(nproc)
  # A translation unit that includes LibTorch takes about 2 GiB.
  fit=$(awk '/^MemAvailable/ { print int($2 / 2097152) }' /proc/meminfo)
  [ "${fit:-1}" -ge 1 ] || fit=1
  [ "$jobs" -le "$fit" ] || jobs=$fit
  printf '%s\n' "$jobs"
}

phase_build() {
  local flags=(
    -G Ninja -DCMAKE_BUILD_TYPE=Release -DLADDER_CUDA=ON -DLADDER_INSTALL=OFF
    -DLADDER_BUILD_TESTS=ON -DLADDER_BUILD_EXAMPLES=ON -DLADDER_BUILD_BENCHMARKS=ON
    "-DTorch_DIR=$torch_cmake/Torch"
    # LibTorch's package turns CMAKE_CUDA_ARCHITECTURES off and takes this in its place.
    "-DTORCH_CUDA_ARCH_LIST=$capability"
  )
  [ -z "$packages" ] || flags+=("-DCMAKE_PREFIX_PATH=$packages")
  attempt 300 "Configuring build/gpu" cmake -S "$root" -B "$build" "${flags[@]}" || return 0
  attempt 1800 "Building build/gpu" cmake --build "$build" -j "$(job_count)" -- -k 0 || return 0
}

# Catch2's last line, and why tests were skipped.
note_tests() {
  local line
  while read -r line; do
    note "$line"
  done < <(grep -E '^(All tests passed|No test|test cases:|SKIPPED:)' "$scratch/printed")
}

phase_test() {
  if needs ladder_tests; then
    skipped_status=4
    attempt 300 "Tests of a GPU" "$build/bin/ladder_tests" "[cuda]" || true
    skipped_status=none
    note_tests
  fi
  if [ "$whole_suite" = yes ]; then
    attempt 1800 "All tests" ctest --test-dir "$build" -j "$(job_count)" --output-on-failure || true
    note "$(grep -E '^[0-9]+% tests passed' "$scratch/printed" || echo no summary)"
  fi
}

# Sets what this compute-sanitizer has flags for: ours leaves all but Ladder's kernels out; memory
# leaves out calls of CUDA that return an error, of which a test provokes two.
find_filters() {
  local flag help
  help=$(compute-sanitizer --help 2>&1 || true)
  ours=() memory=(memcheck)
  for flag in --kernel-regex --kernel-name; do
    if [[ $help == *"$flag"* ]]; then
      ours=("$flag" kns=ladder)
      break
    fi
  done
  [[ $help != *--report-api-errors* ]] || memory+=(--report-api-errors no)
}

# sanitized SENTENCE COMMAND...: a step under compute-sanitizer.
sanitized() {
  skipped_status=4
  attempt 400 "$@" || true
  skipped_status=none
  note "$(grep -E '(ERROR|RACECHECK) SUMMARY' "$scratch/printed" | tail -n 1 | tr -d = | grep . ||
    echo no summary)"
}

phase_sanitize() {
  if ! has compute-sanitizer; then
    left_out "compute-sanitizer is not installed"
    return 0
  fi
  local tool=(compute-sanitizer --error-exitcode 9 --tool) ours memory
  local steps=("$build/bin/ladder-step-bench" --device cuda --steps 3 --no-graph)
  find_filters
  if needs ladder_tests; then
    sanitized "Memory errors in tests" "${tool[@]}" "${memory[@]}" "$build/bin/ladder_tests" "[cuda]"
    # racecheck cannot follow cuBLAS's products of bfloat16 on Hopper GPUs, which its filter should spare.
    sanitized "Races in tests" \
      "${tool[@]}" racecheck "${ours[@]}" "$build/bin/ladder_tests" "[cuda]~[products]"
  fi
  if needs ladder-step-bench; then
    # Allocate each tensor separately, so that an access past its end is seen.
    sanitized "Memory errors in training steps" \
      env PYTORCH_NO_CUDA_MEMORY_CACHING=1 "${tool[@]}" "${memory[@]}" "${steps[@]}"
    sanitized "Races in training steps" "${tool[@]}" racecheck "${ours[@]}" "${steps[@]}"
  fi
}

# Words of a list with commas.
words() { tr ',' ' ' <<<"$1"; }

phase_bench() {
  local network precision figures="$build/step.json" chosen=()
  needs ladder-step-bench || return 0
  [ -z "$only" ] || read -ra chosen <<<"--only $(words "$only")"
  attempt 200 "The PyTorch peers compute the reference's costs" \
    "$python" -W ignore benchmarks/peers/check.py eager --device cuda || true
  for network in $(words "$networks"); do
    for precision in $(words "$precisions"); do
      rm -f "$figures"
      touch "$scratch/start"
      attempt 900 "Training step of $network, $precision" \
        "$python" benchmarks/step.py --device cuda --network "$network" --precision "$precision" \
        --program "$build/bin/ladder-step-bench" --json "$figures" "${chosen[@]}" || true
      # What the implementations said, which is why some are missing.
      find "$root/build/benchmarks" -name '*.log' -newer "$scratch/start" -size +0 \
        -exec tail -v -n 30 {} + >>"$log" 2>/dev/null || true
      [ -s "$figures" ] || continue  # one that is stopped leaves what it had
      report
      report "$printed"
      report
      "$python" -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))))' "$figures" \
        >>"$out/bench.jsonl" || true
    done
  done
}

# What the folders of a run tell: error, steps and seconds of training.
run_facts() {
  "$python" - "$1" <<'PYTHON'
import json
import statistics
import sys
from pathlib import Path

results = [json.loads(path.read_text()) for path in sorted(Path(sys.argv[1]).rglob("result.json"))]
errors = [result["test_error"] for result in results if result["test_error"] is not None]
if errors:
    error = ", ".join(f"{error:.2f}" for error in errors)
    if len(errors) > 1:
        error += f" (mean {statistics.mean(errors):.3f}, std {statistics.stdev(errors):.3f})"
    steps = sum(result["steps"] for result in results)
    seconds = max(result["training_seconds"] for result in results)
    print(f"test error {error} %; {steps} steps, {seconds:.1f} s of training without evaluations")
else:
    print("no result")
PYTHON
}

# trained NAME LIMIT SENTENCE PROGRAM FLAGS...: a run from its first step.
trained() {
  local name=$1 limit=$2 sentence=$3 program=$4
  shift 4
  case ",$runs," in
    *",$name,"*) ;;
    *) return 0 ;;
  esac
  needs "$program" || return 0
  rm -rf "$build/runs/$name"
  attempt "$limit" "$sentence" "$build/bin/$program" --device cuda --out "$build/runs/$name" "$@" ||
    return 0
  note "$(run_facts "$build/runs/$name")"
}

# finds_data mnist|cifar10 NAME: whether the program finds its data.
finds_data() {
  needs "ladder-$1" || return 1
  "$build/bin/ladder-$1" --find-data >/dev/null 2>&1 && return 0
  left_out "no $2 in '${LADDER_DATA:-}' (--data DIR)"
  return 1
}

# Two ranks take a GPU each, and exchange by NCCL; on a single GPU they exchange through the CPU.
phase_ranks() {
  local gpus statistics
  gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
  if needs ranks_tests; then
    skipped_status=4
    attempt 300 "Exchanges of a GPU" "$build/bin/ranks_tests" "[cuda]" || true
    skipped_status=none
    note_tests
  fi
  needs ladder || return 0
  finds_data mnist MNIST || return 0
  for statistics in local synchronised; do
    rm -rf "$build/runs/ranks-$statistics"
    attempt 600 "Two ranks on $gpus GPUs, 3 epochs, $statistics statistics" \
      "$build/bin/ladder" launch -n 2 -- "$build/bin/ladder-mnist" --recipe mnist-100-full --epochs 3 \
      --device cuda --statistics "$statistics" --out "$build/runs/ranks-$statistics" || continue
    note "$(grep -E '^2 ranks: ' "$scratch/printed" || echo no times)"
    note "$(run_facts "$build/runs/ranks-$statistics")"
  done
}

phase_train() {
  local full=(ladder-mnist --recipe mnist-100-full --eval-every 10) one=(--seed 1)
  if finds_data mnist MNIST; then
    trained full 300 "Full ladder, 100 labels" "${full[@]}" "${one[@]}"
    trained tf32 300 "The same with tf32 products" "${full[@]}" "${one[@]}" --precision tf32
    trained seeds 900 "Ten seeds at once" "${full[@]}" --seeds 1..10 --parallel-seeds
    trained conv-small 900 "Small convolutional Gamma-model, 100 labels" \
      ladder-mnist --recipe mnist-100-conv-small-gamma --eval-every 10 "${one[@]}"
    # Last: six times as long as with a graph.
    trained no-graph 600 "The full ladder without a graph" "${full[@]}" "${one[@]}" --no-graph
  fi
  if finds_data cifar10 CIFAR-10; then
    trained conv-large 900 "Large convolutional Gamma-model, 4,000 labels, 3 epochs" \
      ladder-cifar10 --recipe cifar-4000-conv-large-gamma --epochs 3 "${one[@]}" \
      --cache-dir "$build/runs"
  fi
}

# The folders of runs, without checkpoints, go to rows.tar.gz, from where they may be recorded.
phase_table() {
  local row recipe seeds more name flags
  finds_data mnist MNIST || return 0
  for row in "${row_list[@]}"; do
    IFS=: read -r recipe seeds more <<<"$row"
    name=$recipe${more// /}
    read -ra flags <<<"$more"
    attempt 3600 "$name, seeds $seeds" "$build/bin/ladder-mnist" --device cuda --recipe "$recipe" \
      "${flags[@]}" --seeds "$seeds" --parallel-seeds --resume --out "$build/rows/$name" || true
    note "$(run_facts "$build/rows/$name")"
    [ ! -d "$build/rows" ] ||
      (cd "$build" && find rows -name '*.json*' -print0 | tar --null -czf "$out/rows.tar.gz" -T -)
  done
}

# ----

# among ITEM LIST: whether the list, with commas, holds the item.
among() { [[ ",$2," == *",$1,"* ]]; }

# folder FLAG PATH: its absolute path.
folder() {
  [ -d "$2" ] || fail "expected a folder for $1 but got '$2'."
  (cd "$2" && pwd -P)
}

# check_list FLAG GIVEN KNOWN
check_list() {
  local item
  for item in $(words "$2"); do
    among "$item" "$3" || fail "expected some of $3 for $1 but got '$item'."
  done
}

packages="" whole_suite=no minutes="" only="" skipped_status=none
networks=full,conv-fc,conv-small,conv-large precisions=float32,tf32,bfloat16 runs=$all_runs rows=$table_rows
out=${OUT:-$build/report}
phases=()
while [ $# -gt 0 ]; do
  case "$1" in
    --packages | --data | --out | --minutes | --networks | --precisions | --only | --runs | --rows)
      [ $# -ge 2 ] || fail "expected a value after $1 but got none."
      case "$1" in
        --packages) packages=$(folder "$1" "$2") ;;
        --data) LADDER_DATA=$(folder "$1" "$2") ;;
        --out) out=$2 ;;
        --minutes)
          [[ "$2" =~ ^[1-9][0-9]*$ ]] || fail "expected a number of minutes but got '$2'."
          minutes=$2
          ;;
        --networks) networks=$2 ;;
        --precisions) precisions=$2 ;;
        --only) only=$2 ;;
        --runs) runs=$2 ;;
        --rows) rows=$2 ;;
      esac
      shift
      ;;
    --whole-suite) whole_suite=yes ;;
    -h | --help) usage && exit 0 ;;
    build | test | sanitize | bench | ranks | train | table) phases+=("$1") ;;
    *)
      usage >&2
      fail "expected a flag or a phase but got '$1'."
      ;;
  esac
  shift
done
check_list --networks "$networks" "$all_networks"
check_list --precisions "$precisions" float32,tf32,bfloat16
check_list --runs "$runs" "$all_runs"
IFS=, read -ra row_list <<<"$rows"
for row in "${row_list[@]}"; do
  [[ "$row" == ?*:[0-9]* ]] || fail "expected recipes and seeds (mnist-100-full:1..10) for --rows but got '$row'."
done
[ "${#phases[@]}" -gt 0 ] || phases=("${all_phases[@]}")
[ -z "$minutes" ] || deadline=$((SECONDS + 60 * minutes))
[ -z "${LADDER_DATA:-}" ] || export LADDER_DATA
PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin"

if ! find_gpu; then
  say "gpu_check: expected a CUDA GPU that PyTorch can use but found none."
  exit 2
fi
mkdir -p "$out" "$build"
out=$(cd "$out" && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap interrupted INT TERM
describe_machine
for phase in "${phases[@]}"; do
  log="$out/$phase.log"
  : >"$scratch/printed"
  report
  report "## ${phase^}"
  report
  say "$phase, in $log"
  "phase_$phase"
done
report
if [ "$failures" -gt 0 ]; then
  report "$failures of these steps failed or had no time."
  say "$failures of these steps failed or had no time; the report is $out/gpu.md."
  exit 1
fi
report "All of these steps went well."
say "All went well; the report is $out/gpu.md."
