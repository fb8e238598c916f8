#!/usr/bin/env bash
# Installs what is missing, builds, and trains or tests; `./bootstrap.sh help` lists the commands.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
log="$root/build/bootstrap.log"
venv="$root/.venv"
test_venv="$root/.venv-tests"
torch_version=2.11.0
torch_cpu_wheels=("torch==$torch_version" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)

usage() {
  cat <<'TEXT'
usage: ./bootstrap.sh COMMAND [FLAGS]

  train DATA [FLAGS] train on your own table or pictures; DATA and FLAGS go to `ladder train`
  mnist [FLAGS]      train the full ladder on MNIST with 100 labels; FLAGS go to ladder-mnist
  cifar10 [FLAGS]    train a small convolutional ladder on CIFAR-10; FLAGS go to ladder-cifar10
  reproduce [FLAGS]  run a published table (--table mnist, say); FLAGS go to ladder-reproduce
  build              build the library, the programs and the tests
  test [FLAGS]       build and run all tests; FLAGS go to ctest
  asan [FLAGS]       build and run all tests with address and undefined behaviour sanitizers
  tsan [FLAGS]       run the tests of threads, training and parallel prediction with the thread
                     sanitizer; FLAGS go to the test program
  python [FLAGS]     build the Python package, install it in .venv-python and run its tests; FLAGS go
                     to pytest
  fuzz [TARGET] [--runs N]
                     feed N random files (default 100000) to TARGET, or to every fuzz target
  bench [FLAGS]      build and run the benchmarks
  help               print this text

Every command first installs what is missing: compilers and small libraries as Debian packages,
LibTorch as a Python wheel in .venv, and, for the tests, Python packages in .venv-tests. (To install
the Python package of Ladder itself, run `pip install .` in your own environment.) With --cuda
before COMMAND, the large wheel with CUDA is installed; this is the default if a CUDA compiler or an
NVIDIA driver is found.

Environment variables:
  LADDER_DATA        folder of MNIST's or CIFAR-10's files, or with folders mnist/ and cifar10/
  LADDER_MNIST_URL   address to download MNIST from, tried before the public addresses
  LADDER_PRESET      CMake preset to use instead of `release`
TEXT
}

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "bootstrap: $*"
  exit 1
}

# misuse SENTENCE: a wrong command line.
misuse() {
  say "bootstrap: $*"
  exit 2
}

# step SENTENCE COMMAND...: runs the command with its output in the log.
step() {
  local status=0
  attempt "$@" || status=$?
  if [ "$status" -ne 0 ]; then
    say "The last lines of $log:"
    tail -n 25 "$log" >&2
    exit "$status"
  fi
}

# attempt SENTENCE COMMAND...: the same, but goes on after a failure and returns its status.
attempt() {
  local sentence=$1 started=$SECONDS status=0
  shift
  printf -- '- %s ... ' "$sentence" >&2
  printf '\n== %s\n' "$sentence" >>"$log"
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  if [ "$status" -ne 0 ]; then
    say "failed"
    return "$status"
  fi
  say "done ($((SECONDS - started)) s)"
}

has() { command -v "$1" >/dev/null 2>&1; }

# ---- Debian packages

# missing_packages PACKAGE...: those that are not installed for this machine's own architecture.
missing_packages() {
  local package native
  native=$(dpkg --print-architecture)
  for package in "$@"; do
    dpkg-query -W -f='${Architecture} ${db:Status-Status}\n' "$package" 2>/dev/null |
      grep -Ex "($native|all) installed" >/dev/null || printf '%s\n' "$package"
  done
}

install_packages() {
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  [ "$(id -u)" -eq 0 ] || as_root=(sudo "${as_root[@]}")
  "${as_root[@]}" apt-get update || true
  "${as_root[@]}" apt-get install --yes --no-install-recommends "$@"
}

# has_python_headers: true if the Python of .venv, or python3, can compile modules.
has_python_headers() {
  local python=$venv/bin/python
  [ -x "$python" ] || python=python3
  has "$python" && "$python" - 2>/dev/null <<'PYTHON'
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))
PYTHON
}

ensure_packages() {
  local needed=(cmake ninja-build zlib1g-dev libfmt-dev libcxxopts-dev nlohmann-json3-dev catch2
    libpng-dev libprotozero-dev libturbojpeg0-dev)
  local useful=(ca-certificates ccache dataset-fashion-mnist git mold)
  has c++ || needed+=(build-essential)
  if ! has python3 || ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    [ -x "$venv/bin/python" ] || needed+=(python3-venv)
  fi
  has_python_headers || useful+=(python3-dev)

  if ! has dpkg-query; then
    local command
    for command in c++ cmake ninja python3; do
      has "$command" || fail "expected $command but found none (this system has no Debian packages:" \
        "install by hand a C++20 compiler, CMake, Ninja, Python 3 with venv, zlib, fmt, cxxopts," \
        "nlohmann-json, protozero and Catch2)."
    done
    return 0
  fi

  local missing_needed missing_useful
  mapfile -t missing_needed < <(missing_packages "${needed[@]}")
  mapfile -t missing_useful < <(missing_packages "${useful[@]}")
  local missing=("${missing_needed[@]}" "${missing_useful[@]}")
  [ "${#missing[@]}" -gt 0 ] || return 0

  if [ "$(id -u)" -ne 0 ] && ! has sudo; then
    [ "${#missing_needed[@]}" -eq 0 ] ||
      fail "expected root or sudo to install packages but have neither" \
        "(as root: apt-get install ${missing[*]})."
    say "- Going on without ${missing_useful[*]} (no root, no sudo)"
    return 0
  fi
  if [ "${#missing_needed[@]}" -eq 0 ]; then
    # Nothing here is worth a password or a failure.
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null || return 0
    attempt "Installing ${missing[*]}" install_packages "${missing[@]}" || true
    return 0
  elif [ "$(id -u)" -ne 0 ]; then
    sudo -v
  fi
  step "Installing ${missing[*]}" install_packages "${missing[@]}"
}

# ---- LibTorch

torch_kind() {
  if [ "$want_cuda" = yes ] || has nvcc || [ -e /proc/driver/nvidia/version ]; then
    echo cuda
  else
    echo cpu
  fi
}

install_torch() {
  local wheels=("torch==$torch_version")
  [ "$1" = cuda ] || wheels=(--no-deps "${torch_cpu_wheels[@]}")
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || return
  "$venv/bin/python" -m pip install --disable-pip-version-check "${wheels[@]}" || return
  printf '%s\n' "$torch_version $1" >"$venv/ladder-torch"
}

ensure_torch() {
  torch_stamp="LibTorch of the environment: ${Torch_DIR:-}"
  [ -z "${Torch_DIR:-}" ] || return 0
  local kind installed=""
  kind=$(torch_kind)
  [ ! -e "$venv/ladder-torch" ] || installed=$(<"$venv/ladder-torch")
  case "$installed" in
    "$torch_version $kind" | "$torch_version cuda") ;;
    *) step "Installing LibTorch $torch_version ($kind) in .venv" install_torch "$kind" ;;
  esac
  torch_stamp=$(<"$venv/ladder-torch")
}

# ---- Python for tests

# torch_packages: prints the folder of Python packages that holds the LibTorch in use, if it is a wheel.
torch_packages() {
  local config=${Torch_DIR:-} folder
  for folder in "${config:+${config%/}/../../../..}" "$venv"/lib/python*/site-packages; do
    if [ -n "$folder" ] && [ -f "$folder/torch/__init__.py" ]; then
      (cd "$folder" && pwd -P)
      return 0
    fi
  done
}

# install_test_python PYTHON: makes or updates .venv-tests, which sees the PyTorch of the LibTorch in use.
install_test_python() {
  "$1" -m venv "$test_venv" || return
  "$test_venv/bin/python" -m pip install --disable-pip-version-check --retries 1 --timeout 15 \
    --only-binary :all: -r "$root/tests/python/requirements.txt" || return
  torch_packages >"$("$test_venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')/torch.pth"
}

ensure_test_python() {
  local python=$venv/bin/python known wanted
  [ -x "$python" ] || python=python3
  wanted="$("$python" --version) | $(torch_packages) | $(cksum <"$root/tests/python/requirements.txt")"
  known=$(cat "$test_venv/.bootstrap" 2>/dev/null || true)
  [ "$known" != "$wanted" ] || return 0
  if attempt "Installing Python packages for tests in .venv-tests" install_test_python "$python"; then
    printf '%s\n' "$wanted" >"$test_venv/.bootstrap"
  else
    say "- Going on without them: tests that compare with Python are skipped (the reason is in $log)"
  fi
}

# install_package: makes .venv-python, which sees .venv-tests, from a wheel of the objects that are built.
install_package() {
  local wheels=$root/build/wheels package_venv=$root/.venv-python packages
  rm -rf "$wheels"
  LADDER_OBJECTS_OF="$root/build/$preset" Torch_DIR="$(torch_packages)/torch/share/cmake/Torch" \
    "$test_venv/bin/python" -m pip wheel --disable-pip-version-check --no-build-isolation --no-deps \
    --wheel-dir "$wheels" "$root" || return
  [ -x "$package_venv/bin/python" ] || "$test_venv/bin/python" -m venv "$package_venv" || return
  packages=$("$test_venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')
  { printf '%s\n' "$packages"; torch_packages; } \
    >"$("$package_venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')/packages.pth"
  "$package_venv/bin/python" -m pip install --disable-pip-version-check --no-deps --no-index \
    --force-reinstall "$wheels"/*.whl
}

# ---- Configuring and building

cmake_is_new_enough() {
  local version
  version=$(cmake --version | sed -n '1s/[^0-9]*//p')
  [ "$(printf '%s\n' 3.24 "$version" | sort -V | head -n 1)" = 3.24 ]
}

# jobs_that_fit: prints one job for each core, fewer where each could not have 2 GiB, which a translation unit that
# includes LibTorch takes.
jobs_that_fit() {
  local jobs fit
  jobs=$(nproc 2>/dev/null || echo 2)
  if [ -r /proc/meminfo ]; then
    fit=$(awk '/^MemAvailable/ { print int($2 / 2097152) }' /proc/meminfo)
    [ "${fit:-1}" -ge 1 ] || fit=1
    [ "$jobs" -le "$fit" ] || jobs=$fit
  fi
  printf '%s\n' "$jobs"
}

# run_tests PRESET FLAGS...: by ctest, one more than there are cores, since some wait for time-outs.
run_tests() {
  local preset=$1
  shift
  exec ctest --test-dir "$root/build/$preset" -j "$(($(jobs_that_fit) + 1))" --output-on-failure "$@"
}

build() {
  local preset=$1
  shift
  mkdir -p "$root/build"
  : >"$log"
  ensure_packages
  ensure_torch
  if ! cmake_is_new_enough; then
    [ -x "$venv/bin/python" ] || step "Making .venv" python3 -m venv "$venv"
    [ -x "$venv/bin/cmake" ] || step "Installing a newer CMake in .venv" \
      "$venv/bin/python" -m pip install --disable-pip-version-check 'cmake>=3.24,<4'
    PATH="$venv/bin:$PATH"
  fi

  local folder="$root/build/$preset" fresh=()
  local state="2 | $root | $torch_stamp | $(command -v nvcc || echo no nvcc)"
  ! has_python_headers || state+=" | Python headers"
  local known
  known=$(cat "$folder/.bootstrap" 2>/dev/null || true)
  if [ ! -e "$folder/build.ninja" ] || [ "$known" != "$state" ]; then
    [ -z "$known" ] || fresh=(--fresh)
    (cd "$root" && step "Configuring build/$preset" cmake --preset "$preset" "${fresh[@]}")
    printf '%s\n' "$state" >"$folder/.bootstrap"
  fi

  local hint=""
  [ -e "$folder/ladder/libladder.a" ] || hint=", which takes minutes the first time"
  step "Building build/$preset$hint" cmake --build "$folder" -j "$(jobs_that_fit)" --target "$@"
}

# ---- Data

# cache_dir NAME
cache_dir() { printf '%s\n' "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ladder/$1"; }

fetch_mnist() {
  python3 - "$1" "${LADDER_MNIST_URL:-}" <<'PYTHON'
import gzip, hashlib, os, sys, urllib.request

folder, own = sys.argv[1:]
mirrors = [own] if own else []
mirrors += ["https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist"]
# SHA-256 of the files as they are inside gzip, which may be packed anew without harm.
files = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

def fetch(name, sha256):
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}.gz"
        try:
            with urllib.request.urlopen(url, timeout=6) as reply:
                packed = reply.read()
            found = hashlib.sha256(gzip.decompress(packed)).hexdigest()
        except Exception as error:
            print(f"{url}: {error}")
            continue
        if found != sha256:
            print(f"{url}: expected SHA-256 {sha256} but got {found}")
            continue
        part = os.path.join(folder, f".{name}.{os.getpid()}")
        with open(part, "wb") as file:
            file.write(packed)
        os.replace(part, os.path.join(folder, f"{name}.gz"))
        return True
    return False

def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

os.makedirs(folder, exist_ok=True)
for name in os.listdir(folder):  # parts of a download that was killed
    stem, _, pid = name.rpartition(".")
    if stem[:1] == "." and stem[1:] in files and pid.isdigit() and not alive(int(pid)):
        os.remove(os.path.join(folder, name))
sys.exit(0 if all(fetch(name, sha256) for name, sha256 in files.items()) else 1)
PYTHON
}

# has_data FLAGS...: true if the program finds its data.
has_data() { "$program" --find-data "$@" >>"$log" 2>&1; }

# Sets data_flags to what ladder-mnist needs to find its data.
find_mnist() {
  local folder
  has_data && return 0
  folder=$(cache_dir mnist)
  say "- Downloading MNIST to $folder"
  if fetch_mnist "$folder" >>"$log" 2>&1; then
    return 0
  fi
  has_data --dataset fashion-mnist ||
    fail "MNIST could not be downloaded (set LADDER_DATA to a folder that holds its four files, or" \
      "install the Debian package dataset-fashion-mnist to run on Fashion-MNIST instead)."
  say "- MNIST could not be downloaded, so this is Fashion-MNIST, a harder set in the same format" \
    "(set LADDER_DATA to a folder that holds MNIST's four files)"
  data_flags=(--dataset fashion-mnist)
}

# value NAME FLAGS...: prints what follows the last --NAME among the flags, which is the one that the
# programs take; false if there is none.
value() {
  local name=$1 last="" found=no
  shift
  while [ $# -gt 0 ]; do
    case "$1" in
      "--$name") last=${2:-} found=yes ;;
      "--$name="*) last=${1#*=} found=yes ;;
    esac
    shift
  done
  [ "$found" = yes ] && printf '%s\n' "$last"
}

# check_flags FLAGS...: refuses what no program takes before anything is built.
check_flags() {
  local flag
  for flag in "$@"; do
    case "${flag//$'\t'/}" in
      *[[:cntrl:]]*)
        printf -v flag '%q' "$flag"
        misuse "expected an argument without line ends but got $flag (does a script have the line" \
          "ends of Windows? sed -i 's/\\r\$//' SCRIPT mends it)."
        ;;
      --) misuse "expected a flag (--name) but got '--'." ;;
    esac
  done
}

# no_flags COMMAND FLAGS...: refuses flags of a command that takes none.
no_flags() {
  [ $# -eq 1 ] || misuse "expected no flags after $1 but got '$2'."
}

# default_out RECIPE FLAGS...: where a run with these flags is kept.
default_out() {
  local name=$1 seed recipe dataset
  shift
  recipe=$(value recipe "$@") && name=$recipe
  dataset=$(value dataset "${data_flags[@]}" "$@") || true
  [ "$dataset" != fashion-mnist ] || name+=-on-fashion
  seed=$(value seed "$@") && name+=-seed-${seed//[[:space:]]/}
  printf '%s\n' "$root/runs/$name"
}

# only_asks FLAGS...: true if the flags only ask for a text.
only_asks() {
  local flag
  for flag in "$@"; do
    case "$flag" in
      -h | --find-data | --help | --list | --settings | --version) return 0 ;;
    esac
  done
  return 1
}

# train DATASET RECIPE FLAGS...: RECIPE is the program's default.
train() {
  local dataset=$1 recipe=$2 out flags=()
  shift 2
  build "$preset" "ladder-$dataset"
  local program="$root/build/$preset/bin/ladder-$dataset"
  if only_asks "$@"; then
    exec "$program" "$@"
  fi

  if ! value data-dir "$@" >/dev/null && ! value dataset "$@" >/dev/null; then
    [ "$dataset" != mnist ] || find_mnist  # ladder-cifar10 says how to get its data
    flags+=("${data_flags[@]}")
  fi
  if ! value out "$@" >/dev/null; then
    out=$(default_out "$recipe" "$@")
    flags+=(--out "$out")
    if compgen -G "$out/config.json" >/dev/null || compgen -G "$out/seed-*/config.json" >/dev/null; then
      value resume "$@" >/dev/null || flags+=(--resume)
      say "- Continuing the run in $out (--out DIR starts another)"
    fi
  fi
  exec "$program" "${flags[@]}" "$@"
}

# ---- Fuzzing

# fuzz_compiler: prints a clang that has libFuzzer.
fuzz_compiler() {
  local compiler
  for compiler in ${CXX:-} clang++ clang++-{21..14}; do
    if has "$compiler" && echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, long) { return 0; }' |
      "$compiler" -x c++ -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null; then
      printf '%s\n' "$compiler"
      return 0
    fi
  done
  return 1
}

fuzz_targets() {
  local file
  for file in "$root"/tests/fuzz/*.cpp; do basename "$file" .cpp; done
}

# fuzz [TARGET] [--runs N]
fuzz() {
  local targets=() runs=100000 target compiler
  while [ $# -gt 0 ]; do
    case "$1" in
      --runs)
        [ $# -gt 1 ] || misuse "expected a number after --runs but got none."
        runs=$2
        shift
        ;;
      --runs=*) runs=${1#*=} ;;
      -*) misuse "expected a fuzz target or --runs but got '$1'." ;;
      *)
        [ -f "$root/tests/fuzz/$1.cpp" ] ||
          misuse "expected a fuzz target but got '$1' (there are: $(fuzz_targets | paste -sd ' '))."
        targets+=("$1")
        ;;
    esac
    shift
  done
  case "$runs" in
    "" | *[!0-9]*) misuse "expected a number of runs but got '$runs'." ;;
  esac
  [ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(fuzz_targets)

  mkdir -p "$root/build"
  compiler=$(fuzz_compiler) || fail "expected a clang with libFuzzer but found none" \
    "(on Debian or Ubuntu: apt-get install clang libclang-rt-dev)."
  export CXX=$compiler CC=${compiler/clang++/clang}
  build fuzz "${targets[@]/#/fuzz_}"
  # Freed memory is not kept for long: readers make many tensors.
  export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:quarantine_size_mb=16}
  for target in "${targets[@]}"; do
    mkdir -p "$root/build/fuzz/corpus/$target"
    say "- Fuzzing $target, $runs inputs"
    "$root/build/fuzz/bin/fuzz_$target" -runs="$runs" -max_len=4096 -malloc_limit_mb=512 \
      -rss_limit_mb=4096 -timeout=20 -verbosity=0 -print_final_stats=1 \
      -artifact_prefix="$root/build/fuzz/$target-" \
      "$root/build/fuzz/corpus/$target" "$root/tests/fuzz/corpus/$target" >>"$log" 2>&1 || {
      say "failed. The last lines of $log:"
      tail -n 40 "$log" >&2
      exit 1
    }
  done
}

# ----

want_cuda=no
if [ "${1:-}" = --cuda ]; then
  want_cuda=yes
  shift
fi
command=${1:-help}
[ $# -eq 0 ] || shift
preset=${LADDER_PRESET:-release}
data_flags=()
trap 'say interrupted; exit 130' INT
check_flags "$command" "$@"

case "$command" in
  train)
    build "$preset" ladder-program
    exec "$root/build/$preset/bin/ladder" train "$@"
    ;;
  mnist) train mnist mnist-100-full "$@" ;;
  cifar10) train cifar10 cifar-4000-conv-small-gamma "$@" ;;
  reproduce)
    build "$preset" ladder-cifar10 ladder-mnist ladder-reproduce
    only_asks "$@" || value out "$@" >/dev/null || set -- --out "$root/runs" "$@"
    exec "$root/build/$preset/bin/ladder-reproduce" "$@"
    ;;
  build)
    no_flags build "$@"
    build "$preset" all
    ;;
  test)
    build "$preset" all
    ensure_test_python
    run_tests "$preset" "$@"
    ;;
  asan)
    build asan all
    ensure_test_python
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
    run_tests asan "$@"
    ;;
  tsan)
    build tsan thread_tests
    # Suppressions: see the file.
    export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$root/tests/support/thread_sanitizer.txt}
    status=0
    "$root/build/tsan/bin/thread_tests" "$@" || status=$?
    [ "$status" -eq 4 ] || exit "$status" # 4: some were skipped
    ;;
  python)
    build "$preset" ladder_python ladder-program
    ensure_test_python
    [ -e "$test_venv/.bootstrap" ] || fail "expected the Python packages of tests/python/requirements.txt" \
      "but could not install them (the reason is in $log)."
    step "Installing the Python package in .venv-python" install_package
    export LADDER_PROGRAMS=$root/build/$preset/bin
    exec "$root/.venv-python/bin/python" -m pytest "$root/tests/python" "$@"
    ;;
  fuzz) fuzz "$@" ;;
  bench)
    [ -x "$root/benchmarks/run.sh" ] || fail "expected benchmarks/run.sh but found none."
    build "$preset" all
    exec "$root/benchmarks/run.sh" "$@"
    ;;
  help | -h | --help)
    no_flags help "$@"
    usage
    ;;
  *)
    usage >&2
    misuse "expected a command but got '$command'."
    ;;
esac
