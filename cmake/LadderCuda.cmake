# CUDA sources: ladder_cuda_architectures() before LibTorch is found, ladder_enable_cuda() after.

# Decides what the CUDA kernels are compiled for: CMAKE_CUDA_ARCHITECTURES, or the environment's
# CUDAARCHS, or LibTorch's TORCH_CUDA_ARCH_LIST ("8.0;9.0+PTX"), or GPUs from Ampere on.
macro(ladder_cuda_architectures)
  if(NOT CMAKE_CUDA_ARCHITECTURES AND "$ENV{CUDAARCHS}" STREQUAL "")
    set(_ladder_arch_list "${TORCH_CUDA_ARCH_LIST}")
    if(NOT _ladder_arch_list)
      set(_ladder_arch_list "$ENV{TORCH_CUDA_ARCH_LIST}")
    endif()
    if(NOT _ladder_arch_list)
      set(_ladder_arch_list "8.0;9.0;10.0+PTX")
    endif()
    string(REGEX REPLACE "[ ;]+" ";" _ladder_arch_list "${_ladder_arch_list}")
    set(CMAKE_CUDA_ARCHITECTURES "")
    foreach(_ladder_arch IN LISTS _ladder_arch_list)
      if(NOT _ladder_arch MATCHES "^([0-9]+)[.]([0-9]+[a-z]?)([+]PTX)?$")
        message(FATAL_ERROR
          "Ladder: expected versions such as 8.0 or 9.0+PTX in TORCH_CUDA_ARCH_LIST but got "
          "${_ladder_arch} (CMAKE_CUDA_ARCHITECTURES takes CMake's names).")
      endif()
      if(CMAKE_MATCH_3)
        list(APPEND CMAKE_CUDA_ARCHITECTURES "${CMAKE_MATCH_1}${CMAKE_MATCH_2}")
      else()
        list(APPEND CMAKE_CUDA_ARCHITECTURES "${CMAKE_MATCH_1}${CMAKE_MATCH_2}-real")
      endif()
    endforeach()
  elseif(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES "$ENV{CUDAARCHS}")
  endif()
endmacro()

# LADDER_CUDA: compile the operators' CUDA kernels. Default: ON where LibTorch is built for CUDA and
# nvcc is found. Without them operators run as plain ATen operations on a GPU.
macro(ladder_enable_cuda)
  set(_ladder_cuda_possible OFF)
  if(TARGET c10_cuda)
    find_package(CUDAToolkit QUIET)
    if(CUDAToolkit_NVCC_EXECUTABLE)
      set(_ladder_cuda_possible ON)
    endif()
  endif()
  option(LADDER_CUDA "Compile the CUDA kernels" ${_ladder_cuda_possible})

  if(LADDER_CUDA)
    if(NOT _ladder_cuda_possible)
      message(FATAL_ERROR
        "Ladder: expected a LibTorch for CUDA and nvcc for LADDER_CUDA=ON but found "
        "${LADDER_TORCH_DIR} and '${CUDAToolkit_NVCC_EXECUTABLE}' (LADDER_CUDA=OFF needs neither).")
    endif()
    if(NOT DEFINED CMAKE_CUDA_COMPILER)
      set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
    endif()
    enable_language(CUDA)
    message(STATUS
      "CUDA kernels: compiled by ${CMAKE_CUDA_COMPILER} for ${CMAKE_CUDA_ARCHITECTURES}")
  elseif(TARGET c10_cuda)
    message(STATUS "CUDA kernels: none (LADDER_CUDA=OFF, or no nvcc was found)")
  endif()
endmacro()
