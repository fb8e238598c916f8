# CUDA kernels are compiled for what the user asks for, in CMake's way or LibTorch's, and for nothing
# else.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

hand_over_torch()
make_project(fetched)

macro(expect_architectures wanted)
  forget_settings(fetched)
  configure_program("${WORK_DIR}/source/fetched" "-DFETCHCONTENT_SOURCE_DIR_LADDER=${SOURCE_DIR}"
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON ${ARGN})
  file(STRINGS "${WORK_DIR}/fetched/compile_commands.json" lines REGEX "\"command\".*[.]cu ")
  list(LENGTH lines count)
  if(count EQUAL 0)
    message(FATAL_ERROR "expected CUDA sources but found none")
  endif()
  foreach(line IN LISTS lines)
    string(REGEX MATCHALL "arch=compute_[0-9]+,code=.[^ ]*[0-9]" found "${line}")
    string(REGEX REPLACE "arch=|code=|[^a-z0-9_,;]" "" found "${found}")
    if(NOT found STREQUAL "${wanted}")
      message(FATAL_ERROR "expected ${wanted} but got ${found} of\n${line}")
    endif()
  endforeach()
endmacro()

expect_architectures("compute_86,sm_86" -DCMAKE_CUDA_ARCHITECTURES=86-real)
set(ENV{TORCH_CUDA_ARCH_LIST} "9.0")
expect_architectures("compute_90,sm_90")
expect_architectures("compute_80,compute_80,sm_80" -DTORCH_CUDA_ARCH_LIST=8.0+PTX)
unset(ENV{TORCH_CUDA_ARCH_LIST})

run_failing("${CMAKE_COMMAND}" -S "${WORK_DIR}/source/fetched" -B "${WORK_DIR}/refused"
  ${CONFIGURE_FLAGS} "-DFETCHCONTENT_SOURCE_DIR_LADDER=${SOURCE_DIR}" -DTORCH_CUDA_ARCH_LIST=Hopper)
expect("Ladder: expected versions such as 8.0 or 9.0[+]PTX in TORCH_CUDA_ARCH_LIST but got Hopper ")
