# The precompiled torch/torch.h of all targets, made by one of its own so that it knows nothing of their
# definitions: GCC takes it where there are more of them, but not where there are fewer.
function(ladder_precompiled_target)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/precompiled.cpp" CONTENT "")
  add_library(ladder_precompiled OBJECT EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/precompiled.cpp")
  target_link_libraries(ladder_precompiled PRIVATE torch)
  ladder_target(ladder_precompiled)
endfunction()

# Without a build type CMake asks the compiler for no optimisation, which makes training many times
# slower. A project that includes Ladder and sets no build type gets optimised libraries all the same;
# its own targets and its cache stay as they are.
set(LADDER_DEFAULT_OPTIMISATION "")
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES AND NOT PROJECT_IS_TOP_LEVEL
    AND NOT CMAKE_CXX_FLAGS MATCHES "(^| )-O")
  set(LADDER_DEFAULT_OPTIMISATION "$<$<COMPILE_LANGUAGE:CXX>:-O2>")
  message(STATUS "Ladder: compiled with -O2, since CMAKE_BUILD_TYPE is not set "
    "(set it to Release to optimise your program as well)")
endif()

# ladder_target(<target>)
#
# What every compiled target of this project shares: the language, the warnings, one precompiled
# torch/torch.h and the sources of a folder compiled at once. All of it is private to the target.
function(ladder_target target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  # A project that includes Ladder may hide symbols by default; Ladder marks none for export. It may take
  # warnings for errors, with a compiler that warns where this project's own does not.
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET default VISIBILITY_INLINES_HIDDEN OFF
    COMPILE_WARNING_AS_ERROR OFF)
  target_link_libraries(${target} PRIVATE "$<BUILD_INTERFACE:fmt::fmt-header-only>")
  # GCC 12 and 14 report the last three for correct uses of std::string and std::vector; GCC 13 takes
  # every function that returns a reference and is given a temporary for one that refers to it. Clang
  # 14 wants braces around parts of a struct that is filled from a list of all of its members.
  # NaN marks missing values: with -ffast-math of another project std::isnan would not find it.
  target_compile_options(${target} PRIVATE ${LADDER_DEFAULT_OPTIMISATION}
    "$<$<COMPILE_LANGUAGE:CXX>:-fno-finite-math-only>"
    "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow>"
    "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,13>>:-Wno-dangling-reference>"
    "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-Wno-missing-braces>"
    "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${LADDER_WARNINGS_AS_ERRORS}>>:-Werror>"
    "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-error=restrict;-Wno-error=stringop-overflow;-Wno-error=array-bounds>")

  # One precompiled header serves libraries and programs alike only if both are compiled with -fPIC.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-fPIC>")
  else()
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON DEFINE_SYMBOL "")
  endif()
  if(LADDER_OBJECTS_OF)
    return()
  endif()
  if(target STREQUAL "ladder_precompiled")
    target_precompile_headers(${target} PRIVATE <torch/torch.h>)
    return()
  endif()
  if(NOT TARGET ladder_precompiled)
    ladder_precompiled_target()
  endif()
  target_precompile_headers(${target} REUSE_FROM ladder_precompiled)
  # A file takes some ten seconds to instantiate LibTorch's templates, whatever is in it; many files in
  # one take little more. So all files of a room are compiled at once; folders of kernels are rooms of
  # their own. -DCMAKE_UNITY_BUILD=OFF compiles each file separately.
  if(CMAKE_UNITY_BUILD OR NOT DEFINED CMAKE_UNITY_BUILD)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    get_target_property(sources ${target} SOURCES)
    foreach(source IN LISTS sources)
      string(REGEX MATCH "^([.][.]/)?[a-z_]+/(([a-z_]+/)*kernels/([a-z_]+/)*)?" folder "${source}")
      string(MAKE_C_IDENTIFIER "${folder}" group)
      set_property(SOURCE "${source}" PROPERTY UNITY_GROUP "${group}")
    endforeach()
  endif()
endfunction()

# ladder_list_objects(<target>)
#
# Lists the objects of a target in <target>.objects of the build tree, for LADDER_OBJECTS_OF. A generator
# of several configurations, in which they differ, lists none.
function(ladder_list_objects target)
  get_property(several GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT several)
    file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/${target}.objects"
      CONTENT "$<JOIN:$<FILTER:$<TARGET_OBJECTS:${target}>,EXCLUDE,cmake_pch>,\n>\n")
  endif()
endfunction()

# ladder_library(<target> <source>...)
#
# A library that is installed, and its name ladder::<target>.
#
# Where LADDER_OBJECTS_OF, a variable or in the environment, names the build tree of another
# configuration, its objects are linked and nothing is compiled: the packaging tests make the other
# kind of library from them in seconds.
function(ladder_library target)
  if(LADDER_OBJECTS_OF)
    file(STRINGS "${LADDER_OBJECTS_OF}/${target}.objects" objects)
    set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT ON)
    add_library(${target} ${objects})
  else()
    add_library(${target} ${ARGN})
    ladder_list_objects(${target})
  endif()
  add_library(ladder::${target} ALIAS ${target})
  if(LADDER_TORCH_DIR)
    get_filename_component(torch_libraries "${LADDER_TORCH_DIR}/../../../lib" ABSOLUTE)
  endif()
  set_target_properties(${target} PROPERTIES
    LINKER_LANGUAGE CXX
    VERSION "${PROJECT_VERSION}"
    SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}"
    INSTALL_RPATH "$<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>;${torch_libraries}")
  ladder_target(${target})
endfunction()
