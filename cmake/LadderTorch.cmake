# ladder_find_torch()
#
# Makes the imported target `torch` and sets LADDER_TORCH_DIR, LADDER_TORCH_VERSION and
# LADDER_TORCH_CUDA.
#
# LibTorch is looked for in Torch_DIR, then in CMAKE_PREFIX_PATH, then in the Python wheel of this
# project's .venv, then in the wheel that python3 sees. Its own package file is used where it can
# work. A build for CUDA on a machine without the CUDA compiler is linked by the names of its
# libraries: all of them where CUDA's own libraries are at hand, else the CPU half.

set(LADDER_TORCH_MINIMUM 2.11)

# The folder that holds TorchConfig.cmake, or nothing.
function(_ladder_torch_config_dir result)
  set(candidates "${Torch_DIR}" "$ENV{Torch_DIR}")
  set(prefixes ${CMAKE_PREFIX_PATH})
  string(REPLACE ":" ";" environment_prefixes "$ENV{CMAKE_PREFIX_PATH}")
  foreach(prefix IN LISTS Torch_ROOT prefixes environment_prefixes)
    list(APPEND candidates "${prefix}" "${prefix}/Torch" "${prefix}/share/cmake/Torch")
  endforeach()
  foreach(candidate IN LISTS candidates)
    if(candidate AND EXISTS "${candidate}/TorchConfig.cmake")
      set(${result} "${candidate}" PARENT_SCOPE)
      return()
    endif()
  endforeach()

  find_program(LADDER_PYTHON NAMES python3 python)
  mark_as_advanced(LADDER_PYTHON)
  foreach(python IN ITEMS "${PROJECT_SOURCE_DIR}/.venv/bin/python" "${LADDER_PYTHON}")
    if(NOT python OR NOT EXISTS "${python}")
      continue()
    endif()
    execute_process(
      COMMAND "${python}" -c
        "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
      OUTPUT_VARIABLE package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
    if(status EQUAL 0 AND EXISTS "${package}/share/cmake/Torch/TorchConfig.cmake")
      set(${result} "${package}/share/cmake/Torch" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

# Whether the libraries that libtorch_cuda loads are there: beside it, or as wheels.
function(_ladder_torch_has_cuda root result)
  file(GLOB cudnn "${root}/lib/libcudnn*.so*" "${root}/../nvidia/cudnn/lib/libcudnn.so*")
  if(cudnn AND EXISTS "${root}/lib/libtorch_cuda.so")
    set(${result} ON PARENT_SCOPE)
  else()
    set(${result} OFF PARENT_SCOPE)
  endif()
endfunction()

# LibTorch without its own package file, which insists on a CUDA compiler when it knows of CUDA.
macro(_ladder_torch_target root)
  find_package(Threads REQUIRED)
  set(_ladder_torch_parts torch_cpu c10)
  set(_ladder_torch_includes "${root}/include" "${root}/include/torch/csrc/api/include")
  if(LADDER_TORCH_CUDA)
    list(APPEND _ladder_torch_parts torch_cuda c10_cuda)
    file(GLOB _ladder_cuda_includes "${root}/../nvidia/cu*/include")
    list(APPEND _ladder_torch_includes ${_ladder_cuda_includes})
  endif()
  foreach(_ladder_part IN LISTS _ladder_torch_parts)
    add_library(${_ladder_part} SHARED IMPORTED GLOBAL)
    set_target_properties(${_ladder_part} PROPERTIES
      IMPORTED_LOCATION "${root}/lib/lib${_ladder_part}.so")
  endforeach()
  add_library(torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(torch INTERFACE ${_ladder_torch_includes})
  target_link_options(torch INTERFACE "LINKER:--no-as-needed")
  target_link_libraries(torch INTERFACE ${_ladder_torch_parts} Threads::Threads)
endmacro()

# Sets LADDER_TORCH_DIR and LADDER_TORCH_VERSION; loads nothing.
macro(ladder_locate_torch)
  if(TARGET torch)
    set(LADDER_TORCH_DIR "${Torch_DIR}")
    set(LADDER_TORCH_VERSION "${Torch_VERSION}")
  else()
    _ladder_torch_config_dir(LADDER_TORCH_DIR)
    if(NOT LADDER_TORCH_DIR)
      message(FATAL_ERROR
        "Ladder: expected LibTorch in Torch_DIR, CMAKE_PREFIX_PATH or a Python wheel but found none "
        "(./bootstrap.sh build installs the wheel).")
    endif()
    file(STRINGS "${LADDER_TORCH_DIR}/TorchConfigVersion.cmake" _ladder_torch_line
      REGEX "PACKAGE_VERSION \"[0-9.]+")
    string(REGEX MATCH "[0-9]+[.][0-9]+[.][0-9]+" LADDER_TORCH_VERSION "${_ladder_torch_line}")
  endif()
endmacro()

# LibTorch's OpenMP library, by which our code reaches LibTorch's threads. It is linked by its file:
# a second copy from the system would be a second set of threads.
macro(_ladder_torch_openmp root)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
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
  if(LADDER_TORCH_VERSION VERSION_LESS LADDER_TORCH_MINIMUM)
    message(FATAL_ERROR
      "Ladder: expected LibTorch ${LADDER_TORCH_MINIMUM} or later but got "
      "${LADDER_TORCH_VERSION} (${LADDER_TORCH_DIR}).")
  endif()
  get_filename_component(_ladder_torch_root "${LADDER_TORCH_DIR}/../../.." ABSOLUTE)
  if(NOT TARGET torch)
    _ladder_torch_has_cuda("${_ladder_torch_root}" LADDER_TORCH_CUDA)
    set(_ladder_nvcc "")
    if(LADDER_TORCH_CUDA)
      find_package(CUDAToolkit QUIET)
      set(_ladder_nvcc "${CUDAToolkit_NVCC_EXECUTABLE}")
    endif()

    if(_ladder_nvcc OR NOT EXISTS "${_ladder_torch_root}/lib/libtorch_cuda.so")
      set(Torch_DIR "${LADDER_TORCH_DIR}" CACHE PATH "The folder of TorchConfig.cmake" FORCE)
      if(NOT DEFINED TORCH_CUDA_ARCH_LIST AND NOT DEFINED ENV{TORCH_CUDA_ARCH_LIST})
        set(TORCH_CUDA_ARCH_LIST "8.0;9.0;10.0+PTX")
      endif()
      set(_ladder_targets_global "${CMAKE_FIND_PACKAGE_TARGETS_GLOBAL}")
      set(_ladder_log_level "${CMAKE_MESSAGE_LOG_LEVEL}")
      set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
      set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
      find_package(Torch REQUIRED)
      set(CMAKE_MESSAGE_LOG_LEVEL "${_ladder_log_level}")
      set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL "${_ladder_targets_global}")
    else()
      _ladder_torch_target("${_ladder_torch_root}")
    endif()
    if(LADDER_TORCH_CUDA)
      message(STATUS "LibTorch ${LADDER_TORCH_VERSION} with CUDA: ${_ladder_torch_root}")
    else()
      message(STATUS "LibTorch ${LADDER_TORCH_VERSION}, CPU only: ${_ladder_torch_root}")
    endif()
  endif()
  _ladder_torch_openmp("${_ladder_torch_root}")
endmacro()
