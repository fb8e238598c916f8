# Compiles for 64-bit ARM on a machine of another kind, and runs the tests by QEMU's user mode. On Debian:
#
#   dpkg --add-architecture arm64 && apt-get update
#   apt-get install g++-aarch64-linux-gnu qemu-user zlib1g-dev:arm64 libpng-dev:arm64 libturbojpeg0-dev:arm64 \
#     libfmt-dev:arm64
#   pip download --no-deps --only-binary :all: --platform manylinux_2_28_aarch64 torch==2.11.0
#   pip download --no-deps --only-binary :all: --platform manylinux2014_aarch64 nvidia-cuda-runtime==13.0.96
#   pip download --no-deps --only-binary :all: --platform manylinux_2_25_aarch64 nvidia-cuda-cupti==13.0.85
#   for wheel in *.whl; do python3 -m zipfile -e "$wheel" build/torch-aarch64; done
#
# The wheel of torch needs the two libraries of CUDA to be loaded, though no GPU.
#
#   cmake --preset release -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/toolchains/aarch64.cmake \
#     -DTorch_DIR=$PWD/build/torch-aarch64/torch/share/cmake/Torch
#   cmake --build build/aarch64 --target ladder_tests
#   ctest --test-dir build/aarch64 -R ladder_tests
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# QEMU 7.2 offers more by default than it runs: LibTorch meets an illegal instruction.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu neoverse-n1)
set(LADDER_CUDA OFF CACHE BOOL "Compile CUDA kernels")
set(LADDER_BUILD_PYTHON OFF CACHE BOOL "Build the Python package")
