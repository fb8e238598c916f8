# _ladder_probe(<name> <variable> <source> <argument of try_compile>...)
#
# Sets whether a source compiles with this LibTorch and the headers of the folders `probed_folders`, and remembers
# that it does. The compiler's output is in <name>_probe.log.
function(_ladder_probe name variable source)
  if(NOT LADDER_${name}_TRIED_WITH STREQUAL "${LADDER_TORCH_DIR}")
    get_filename_component(root "${LADDER_TORCH_DIR}/../../.." ABSOLUTE)
    string(TOLOWER "${name}" file)
    set(file "${PROJECT_BINARY_DIR}/${file}_probe")
    file(WRITE "${file}.cpp" "${source}")
    try_compile(LADDER_PROBE "${file}" "${file}.cpp"
      CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${root}/include;${root}/include/torch/csrc/api/include;${probed_folders}"
      ${ARGN}
      CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON OUTPUT_VARIABLE output)
    file(WRITE "${file}.log" "${output}")
    set(works "${LADDER_PROBE}")
    unset(LADDER_PROBE CACHE)
    if(NOT works)
      set(${variable} OFF PARENT_SCOPE)
      return()
    endif()
    set(LADDER_${name}_TRIED_WITH "${LADDER_TORCH_DIR}" CACHE INTERNAL "LibTorch that ${name} works with")
  endif()
  set(${variable} ON PARENT_SCOPE)
endfunction()

# _ladder_probe_header(<name> <variable> <header> <flag of the compiler>...)
#
# Sets whether a header of LibTorch and all that it includes are there. They are only preprocessed: to compile one
# of them takes ten seconds, and what they declare is known from the series.
function(_ladder_probe_header name variable header)
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # not linked
  _ladder_probe(${name} works "#include <${header}>\n" COMPILE_DEFINITIONS -E -P ${ARGN})
  set(${variable} ${works} PARENT_SCOPE)
endfunction()

# Sets whether LibTorch was built with Gloo.
function(_ladder_probe_gloo variable)
  get_filename_component(root "${LADDER_TORCH_DIR}/../../.." ABSOLUTE)
  _ladder_probe(GLOO works "#include <memory>
namespace gloo::transport { class Device; }
namespace c10d {
struct ProcessGroupGloo { static std::shared_ptr<gloo::transport::Device> createDefaultDevice(bool); };
}
int main() { return c10d::ProcessGroupGloo::createDefaultDevice(false) == nullptr; }\n"
    LINK_LIBRARIES "${root}/lib/libtorch_cpu.so" "${root}/lib/libc10.so")
  set(${variable} ${works} PARENT_SCOPE)
endfunction()

# ladder_find_distributed()
#
# Sets LADDER_DISTRIBUTED, whether processes can train one network together by c10d and Gloo, and the
# definitions and flags of the one source that includes their headers: LADDER_DISTRIBUTED_DEFINITIONS
# and LADDER_DISTRIBUTED_FLAGS.
#
# c10d is no public interface of LibTorch: its headers are taken in the series that they were tried
# with. LibTorch ships them without what they include from Gloo, which is declared here.
# NCCL, which exchanges tensors between GPUs, is added where the library has CUDA kernels and the wheel
# of NCCL lies beside that of LibTorch: another version has other structures than LibTorch was built
# with.
# TorchConfig.cmake defines both macros, LibTorch's libraries by name do not.
function(ladder_find_distributed)
  set(declarations "${PROJECT_SOURCE_DIR}/ladder/train/internal/gloo_declarations")
  set(LADDER_DISTRIBUTED_DEFINITIONS USE_C10D_GLOO USE_DISTRIBUTED LADDER_DISTRIBUTED=1 PARENT_SCOPE)
  set(LADDER_DISTRIBUTED_FLAGS "-idirafter;${declarations}" PARENT_SCOPE)
  if(NOT LADDER_TORCH_VERSION MATCHES "^2[.]11([.]|$)")
    set(LADDER_DISTRIBUTED OFF PARENT_SCOPE)
    message(STATUS "Ladder: no training by several processes, which expects LibTorch 2.11 but got "
      "${LADDER_TORCH_VERSION}")
    return()
  endif()
  get_filename_component(root "${LADDER_TORCH_DIR}/../../.." ABSOLUTE)
  set(probed_folders "${declarations}")
  _ladder_probe_header(C10D works torch/csrc/distributed/c10d/ProcessGroupGloo.hpp
    -DUSE_C10D_GLOO -DUSE_DISTRIBUTED)
  if(works)
    _ladder_probe_gloo(works)
  endif()
  if(NOT works)
    set(LADDER_DISTRIBUTED OFF PARENT_SCOPE)
    message(STATUS "Ladder: no training by several processes, which expects c10d with Gloo in LibTorch "
      "but got errors (c10d_probe.log, gloo_probe.log)")
    return()
  endif()
  set(LADDER_DISTRIBUTED ON PARENT_SCOPE)

  get_filename_component(nccl "${root}/../nvidia/nccl/include" ABSOLUTE)
  if(LADDER_CUDA AND EXISTS "${nccl}/nccl.h")
    set(probed_folders "${nccl}" ${CUDAToolkit_INCLUDE_DIRS})
    _ladder_probe_header(NCCL works torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp
      -DUSE_C10D_NCCL -DUSE_DISTRIBUTED)
    if(NOT works)
      message(STATUS "Ladder: no NCCL, whose headers got errors (nccl_probe.log)")
      return()
    endif()
    set(LADDER_DISTRIBUTED_DEFINITIONS USE_C10D_GLOO USE_C10D_NCCL USE_DISTRIBUTED LADDER_DISTRIBUTED=1
      LADDER_NCCL=1 PARENT_SCOPE)
    set(LADDER_DISTRIBUTED_FLAGS "-idirafter;${declarations};-isystem;${nccl}" PARENT_SCOPE)
  endif()
endfunction()
