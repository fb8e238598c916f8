# LADDER_CUDA: whether the operators' CUDA kernels are compiled; by default where LibTorch is one for CUDA
# and its compiler is at hand. Without them operators run as plain ATen operations on a GPU.
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
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100)
  endif()
  if(NOT DEFINED CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
  endif()
  enable_language(CUDA)
  message(STATUS "CUDA kernels: compiled by ${CMAKE_CUDA_COMPILER}")
elseif(TARGET c10_cuda)
  message(STATUS "CUDA kernels: none (LADDER_CUDA=OFF, or no nvcc was found)")
endif()
