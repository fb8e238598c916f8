#!/usr/bin/env bash
# Gathers the Debian packages of Ladder's small dependencies into one folder, for a machine that has
# CMake, compilers and LibTorch but neither these packages nor a network.
set -euo pipefail

packages=(libfmt-dev libcxxopts-dev libprotozero-dev nlohmann-json3-dev catch2 zlib1g-dev)

usage() {
  cat <<'TEXT'
usage: benchmarks/collect_packages.sh DIR

Copies headers, CMake packages and static libraries of fmt, cxxopts, protozero, nlohmann_json, Catch2 and zlib
to DIR, which may be moved or copied to another machine of the same processor and then serves as
CMAKE_PREFIX_PATH (benchmarks/gpu_check.sh --packages DIR). ./bootstrap.sh build installs the Debian
packages that they come from.
TEXT
}

fail() {
  printf 'collect_packages: %s\n' "$*" >&2
  exit 1
}

# The files of a package that a build reads, without those of the documentation.
files_of() {
  dpkg-query -L "$1" | grep -E '^/usr/(include/.*|(lib|share)/.*\.cmake|lib/.*\.a)$'
}

copy_package() {
  local file
  while read -r file; do
    [ ! -f "$file" ] || install -D -m 644 "$file" "$dir/${file#/usr/}"
  done < <(files_of "$1")
}

# drop_shared: shared libraries stay behind, and so must what says where they are. The targets
# without a library (fmt::fmt-header-only) go on.
drop_shared() {
  local targets library
  while read -r targets; do
    while read -r library; do
      [ -e "$dir/$library" ] || rm -f "$targets"
    done < <(sed -n "s|.*LOCATION_[A-Z]* \"\${_IMPORT_PREFIX}/\([^\"]*\)\".*|\1|p" "$targets")
  done < <(find "$dir" -name '*.cmake' -iname '*targets-*')
}

case "${1:-}" in
  -h | --help) usage && exit 0 ;;
esac
if [ $# -ne 1 ]; then
  usage >&2
  fail "expected a folder but got $# arguments."
fi
dir=$1
command -v dpkg-query >/dev/null || fail "expected a Debian system but found no dpkg-query."
for package in "${packages[@]}"; do
  case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" in
    installed) ;;
    *) fail "expected the Debian package $package but found none (./bootstrap.sh build adds it)." ;;
  esac
done

mkdir -p "$dir"
for package in "${packages[@]}"; do
  copy_package "$package"
done
drop_shared
printf '%s: %s\n' "$dir" "$(du -sh "$dir" | cut -f 1)"
