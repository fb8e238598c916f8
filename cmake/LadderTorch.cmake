# ladder_find_torch()
#
# Defines the imported target `torch` and sets LADDER_TORCH_DIR (the folder of TorchConfig.cmake),
# LADDER_TORCH_VERSION and LADDER_TORCH_CUDA.
#
# Order of the search, the first place that holds LibTorch wins:
#
#   1. a target `torch` that the project has found already
#   2. Torch_DIR, as a variable, then from the environment; the variables Torch_ROOT and
#      CMAKE_PREFIX_PATH; CMAKE_PREFIX_PATH of the environment
#   3. the Python wheel of the project's .venv, then the one of python3
#   4. installed package only: the LibTorch that Ladder was built with
#
# LibTorch's own package file is used where it can work. It stops when LibTorch knows of CUDA and no
# CUDA compiler is found; then LibTorch is linked by the names of its libraries: all of them where
# CUDA's own libraries are present, otherwise only those for the CPU.
#
# This file is installed with the package. ladderConfig.cmake sets LADDER_TORCH_BUILT_DIR and
# LADDER_TORCH_BUILT_VERSION to what Ladder was built with; they are unset in the source tree.

set(LADDER_TORCH_MINIMUM 2.11)

# "2.11" of the version "2.11.0".
function(_ladder_torch_series version result)
  string(REGEX MATCH "^[0-9]+[.][0-9]+" series "${version}")
  set(${result} "${series}" PARENT_SCOPE)
endfunction()

# Version of the LibTorch whose package file is in `dir`, or nothing.
function(_ladder_torch_version dir result)
  set(version "")
  if(EXISTS "${dir}/TorchConfigVersion.cmake")
    file(STRINGS "${dir}/TorchConfigVersion.cmake" line REGEX "PACKAGE_VERSION \"[0-9.]+")
    string(REGEX MATCH "[0-9]+[.][0-9]+[.][0-9]+" version "${line}")
  endif()
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

# Warn, once, of a Torch_DIR that is passed over.
function(_ladder_torch_warn_of dir)
  get_property(warned GLOBAL PROPERTY LADDER_TORCH_WARNED)
  if(dir AND NOT warned AND NOT EXISTS "${dir}/TorchConfig.cmake")
    set_property(GLOBAL PROPERTY LADDER_TORCH_WARNED ON)
    message(WARNING "Ladder: expected TorchConfig.cmake in Torch_DIR but found none in ${dir} (looking for LibTorch elsewhere).")
  endif()
endfunction()

# Folder of TorchConfig.cmake in the places that the user names, or nothing.
function(_ladder_torch_named_dir result)
  _ladder_torch_warn_of("${Torch_DIR}")
  _ladder_torch_warn_of("$ENV{Torch_DIR}")
  set(candidates "${Torch_DIR}" "$ENV{Torch_DIR}")
  string(REPLACE ":" ";" environment_prefixes "$ENV{CMAKE_PREFIX_PATH}")
  foreach(prefix IN LISTS Torch_ROOT CMAKE_PREFIX_PATH environment_prefixes)
    list(APPEND candidates "${prefix}" "${prefix}/Torch" "${prefix}/share/cmake/Torch")
  endforeach()
  foreach(candidate IN LISTS candidates)
    if(candidate AND EXISTS "${candidate}/TorchConfig.cmake")
      set(${result} "${candidate}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

# Folder of TorchConfig.cmake in a Python wheel, or nothing. A wheel is found by accident, so an
# installed Ladder passes over the wheels of a series that it was not built with.
function(_ladder_torch_wheel_dir result)
  find_program(LADDER_PYTHON NAMES python3 python)
  mark_as_advanced(LADDER_PYTHON)
  _ladder_torch_series("${LADDER_TORCH_BUILT_VERSION}" built_series)
  foreach(python IN ITEMS "${PROJECT_SOURCE_DIR}/.venv/bin/python" "${LADDER_PYTHON}")
    if(NOT python OR NOT EXISTS "${python}")
      continue()
    endif()
    execute_process(
      COMMAND "${python}" -c
        "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
      OUTPUT_VARIABLE package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
    set(dir "${package}/share/cmake/Torch")
    if(status EQUAL 0 AND EXISTS "${dir}/TorchConfig.cmake")
      _ladder_torch_version("${dir}" version)
      _ladder_torch_series("${version}" series)
      if(NOT built_series OR series STREQUAL built_series)
        set(${result} "${dir}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

# Sets LADDER_TORCH_DIR and LADDER_TORCH_VERSION of a target `torch` that is there already. This
# file leaves both in global properties, because variables of one folder are unknown in its siblings.
macro(_ladder_torch_of_target)
  get_property(LADDER_TORCH_DIR GLOBAL PROPERTY LADDER_TORCH_DIR)
  if(NOT LADDER_TORCH_DIR)
    set(LADDER_TORCH_DIR "${Torch_DIR}")
  endif()
  if(NOT LADDER_TORCH_DIR)
    get_target_property(_ladder_includes torch INTERFACE_INCLUDE_DIRECTORIES)
    foreach(_ladder_include IN LISTS _ladder_includes)
      if(EXISTS "${_ladder_include}/../share/cmake/Torch/TorchConfig.cmake")
        get_filename_component(LADDER_TORCH_DIR "${_ladder_include}/../share/cmake/Torch" ABSOLUTE)
        break()
      endif()
    endforeach()
  endif()
  _ladder_torch_version("${LADDER_TORCH_DIR}" LADDER_TORCH_VERSION)
  if(NOT LADDER_TORCH_VERSION)
    set(LADDER_TORCH_VERSION "${Torch_VERSION}")
  endif()
endmacro()

# Sets LADDER_TORCH_DIR and LADDER_TORCH_VERSION, or LADDER_TORCH_PROBLEM to a sentence. Loads
# nothing.
macro(ladder_locate_torch)
  set(LADDER_TORCH_PROBLEM "")
  if(TARGET torch)
    _ladder_torch_of_target()
  else()
    _ladder_torch_named_dir(LADDER_TORCH_DIR)
    if(NOT LADDER_TORCH_DIR)
      _ladder_torch_wheel_dir(LADDER_TORCH_DIR)
    endif()
    if(NOT LADDER_TORCH_DIR AND EXISTS "${LADDER_TORCH_BUILT_DIR}/TorchConfig.cmake")
      set(LADDER_TORCH_DIR "${LADDER_TORCH_BUILT_DIR}")
    endif()
    if(LADDER_TORCH_DIR)
      _ladder_torch_version("${LADDER_TORCH_DIR}" LADDER_TORCH_VERSION)
    elseif(LADDER_TORCH_BUILT_DIR)
      set(LADDER_TORCH_PROBLEM
        "ladder: expected LibTorch ${LADDER_TORCH_BUILT_VERSION} in Torch_DIR, CMAKE_PREFIX_PATH, a Python wheel or ${LADDER_TORCH_BUILT_DIR}, where it was when ladder was built, but found none (set Torch_DIR to the folder of TorchConfig.cmake).")
    else()
      set(LADDER_TORCH_PROBLEM
        "Ladder: expected LibTorch in Torch_DIR, CMAKE_PREFIX_PATH or a Python wheel but found none (./bootstrap.sh build installs the wheel).")
    endif()
  endif()
  if(LADDER_TORCH_DIR AND LADDER_TORCH_VERSION VERSION_LESS LADDER_TORCH_MINIMUM)
    set(LADDER_TORCH_PROBLEM
      "Ladder: expected LibTorch ${LADDER_TORCH_MINIMUM} or later but got ${LADDER_TORCH_VERSION} (${LADDER_TORCH_DIR}).")
  endif()
endmacro()

# True when the libraries that libtorch_cuda loads are present: beside it, or as wheels.
function(_ladder_torch_has_cuda root result)
  file(GLOB cudnn "${root}/lib/libcudnn*.so*" "${root}/../nvidia/cudnn/lib/libcudnn.so*")
  if(cudnn AND EXISTS "${root}/lib/libtorch_cuda.so")
    set(${result} ON PARENT_SCOPE)
  else()
    set(${result} OFF PARENT_SCOPE)
  endif()
endfunction()

# Defines the target `torch` without LibTorch's package file.
macro(_ladder_torch_target root)
  find_package(Threads REQUIRED)
  set(_ladder_torch_parts torch_cpu c10)
  set(_ladder_torch_includes "${root}/include" "${root}/include/torch/csrc/api/include")
  set(_ladder_torch_runtime "")
  if(LADDER_TORCH_CUDA)
    list(APPEND _ladder_torch_parts torch_cuda c10_cuda)
    file(GLOB _ladder_cuda_includes "${root}/../nvidia/cu*/include")
    list(APPEND _ladder_torch_includes ${_ladder_cuda_includes})
    # Kernels in a static Ladder call the CUDA runtime, and linkers do not look for symbols in what
    # a shared library loads.
    file(GLOB _ladder_torch_runtime "${root}/lib/libcudart*.so*"
      "${root}/../nvidia/cu*/lib/libcudart.so*" "${root}/../nvidia/cuda_runtime/lib/libcudart.so*")
    if(_ladder_torch_runtime)
      list(GET _ladder_torch_runtime 0 _ladder_torch_runtime)
    endif()
  endif()
  foreach(_ladder_part IN LISTS _ladder_torch_parts)
    add_library(${_ladder_part} SHARED IMPORTED GLOBAL)
    set_target_properties(${_ladder_part} PROPERTIES
      IMPORTED_LOCATION "${root}/lib/lib${_ladder_part}.so")
  endforeach()
  add_library(torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(torch INTERFACE ${_ladder_torch_includes})
  target_link_options(torch INTERFACE "LINKER:--no-as-needed")
  target_link_libraries(torch INTERFACE
    ${_ladder_torch_parts} ${_ladder_torch_runtime} Threads::Threads)
endmacro()

# Defines the target `torch` by LibTorch's package file, and keeps that file's settings for CUDA
# sources to itself: it appends flags and turns CMAKE_CUDA_ARCHITECTURES off.
macro(_ladder_torch_package)
  set(Torch_DIR "${LADDER_TORCH_DIR}" CACHE PATH "The folder of TorchConfig.cmake" FORCE)
  set(_ladder_kept CMAKE_FIND_PACKAGE_TARGETS_GLOBAL CMAKE_MESSAGE_LOG_LEVEL
    CMAKE_CUDA_ARCHITECTURES CMAKE_CUDA_FLAGS TORCH_CUDA_ARCH_LIST)
  foreach(_ladder_name IN LISTS _ladder_kept)
    unset(_ladder_old_${_ladder_name})
    if(DEFINED ${_ladder_name})
      set(_ladder_old_${_ladder_name} "${${_ladder_name}}")
    endif()
  endforeach()
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
  set(TORCH_CUDA_ARCH_LIST "9.0")  # otherwise LibTorch compiles a program that looks for a GPU
  find_package(Torch REQUIRED)
  foreach(_ladder_name IN LISTS _ladder_kept)
    if(DEFINED _ladder_old_${_ladder_name})
      set(${_ladder_name} "${_ladder_old_${_ladder_name}}")
    else()
      unset(${_ladder_name})
    endif()
  endforeach()
endmacro()

# Links LibTorch's OpenMP library, by which our code reaches LibTorch's threads. It is linked by its
# file: a second copy from the system would be a second set of threads. A static library that GCC compiled
# needs it in programs of every compiler.
macro(_ladder_torch_openmp root)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR LADDER_BUILT_COMPILER STREQUAL "GNU")
    file(GLOB _ladder_openmp "${root}/lib/libgomp*.so*")
    if(NOT _ladder_openmp)
      find_package(OpenMP REQUIRED COMPONENTS CXX)
      set(_ladder_openmp "${OpenMP_CXX_LIBRARIES}")
    endif()
    list(GET _ladder_openmp 0 _ladder_openmp)
    get_target_property(_ladder_torch_links torch INTERFACE_LINK_LIBRARIES)
    if(NOT _ladder_openmp IN_LIST _ladder_torch_links)
      set_property(TARGET torch APPEND PROPERTY INTERFACE_LINK_LIBRARIES "${_ladder_openmp}")
    endif()
  endif()
endmacro()

macro(ladder_find_torch)
  ladder_locate_torch()
  if(LADDER_TORCH_PROBLEM)
    message(FATAL_ERROR "${LADDER_TORCH_PROBLEM}")
  endif()
  get_filename_component(_ladder_torch_root "${LADDER_TORCH_DIR}/../../.." ABSOLUTE)
  if(TARGET torch)
    set(LADDER_TORCH_CUDA OFF)
    if(TARGET c10_cuda)
      set(LADDER_TORCH_CUDA ON)
    endif()
  else()
    _ladder_torch_has_cuda("${_ladder_torch_root}" LADDER_TORCH_CUDA)
    set(_ladder_nvcc "")
    if(LADDER_TORCH_CUDA)
      find_package(CUDAToolkit QUIET)
      set(_ladder_nvcc "${CUDAToolkit_NVCC_EXECUTABLE}")
    endif()
    if(_ladder_nvcc OR NOT EXISTS "${_ladder_torch_root}/lib/libtorch_cuda.so")
      _ladder_torch_package()
    else()
      _ladder_torch_target("${_ladder_torch_root}")
    endif()
    set_property(GLOBAL PROPERTY LADDER_TORCH_DIR "${LADDER_TORCH_DIR}")
    if(LADDER_TORCH_CUDA)
      message(STATUS "LibTorch ${LADDER_TORCH_VERSION} with CUDA: ${_ladder_torch_root}")
    else()
      message(STATUS "LibTorch ${LADDER_TORCH_VERSION}, CPU only: ${_ladder_torch_root}")
    endif()
  endif()
  _ladder_torch_openmp("${_ladder_torch_root}")
endmacro()
