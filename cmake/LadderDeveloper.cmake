# Settings of this project's own builds; a project that includes Ladder keeps its own.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
if(NOT CMAKE_RUNTIME_OUTPUT_DIRECTORY)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# The target ladder_verify_interface_header_sets compiles every public header alone. It takes minutes
# and is not part of `all`.
if(NOT DEFINED CMAKE_VERIFY_INTERFACE_HEADER_SETS)
  set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
endif()

find_program(LADDER_CCACHE ccache)
mark_as_advanced(LADDER_CCACHE)
if(LADDER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # A precompiled header is only cached when ccache is told to overlook its time stamps.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${LADDER_CCACHE}")
  set(CMAKE_CUDA_COMPILER_LAUNCHER "${LADDER_CCACHE}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>")
  endif()
endif()

# Link by mold where it is found, but not for another machine: a cross compiler does not find it.
if(NOT CMAKE_CROSSCOMPILING)
  find_program(LADDER_MOLD mold)
  mark_as_advanced(LADDER_MOLD)
  if(LADDER_MOLD AND (CMAKE_CXX_COMPILER_ID STREQUAL "Clang"
      OR (CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12.1)))
    add_link_options(-fuse-ld=mold)
  endif()
endif()
