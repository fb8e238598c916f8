# Every public header is installed, includes the standard library, LibTorch and other installed
# headers only, and compiles alone.

cmake_minimum_required(VERSION 3.24)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

install_moved("${BUILD_DIR}")
file(GLOB_RECURSE headers RELATIVE "${PREFIX}/include" "${PREFIX}/*.h" "${PREFIX}/*.hpp"
  "${PREFIX}/*.inc")

file(GLOB_RECURSE public RELATIVE "${SOURCE_DIR}" "${SOURCE_DIR}/ladder/*.h")
file(GLOB_RECURSE models RELATIVE "${SOURCE_DIR}/models" "${SOURCE_DIR}/models/*.h")
list(APPEND public ${models})
list(FILTER public EXCLUDE REGEX "/(internal|kernels)/")
list(SORT headers)
list(SORT public)
if(NOT headers STREQUAL public)
  message(FATAL_ERROR "expected the public headers to be installed (FILE_SET HEADERS):\n${public}\n"
    "but got\n${headers}")
endif()

set(checked 0)
foreach(header IN LISTS headers)
  file(STRINGS "${PREFIX}/include/${header}" lines REGEX "^[ \t]*#[ \t]*include")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"]*)[>\"].*" "\\1" name "${line}")
    if(name STREQUAL "torch/torch.h" OR name STREQUAL "torch/extension.h")
      message(FATAL_ERROR "${header}: expected a narrower header than ${name}")
    elseif(name MATCHES "^ladder/")
      if(NOT EXISTS "${PREFIX}/include/${name}")
        message(FATAL_ERROR "${header}: expected installed headers but got ${name}")
      endif()
    elseif(name MATCHES "^(ATen|c10|torch)/")
      list(APPEND libtorch "#include <${name}>\n")
    elseif(NOT name MATCHES "^[a-z_]+$")
      message(FATAL_ERROR "${header}: expected the standard library or LibTorch but got ${name}")
    endif()
    math(EXPR checked "${checked} + 1")
  endforeach()
endforeach()
if(checked LESS 100)
  message(FATAL_ERROR "expected over 100 includes in ${PREFIX} but found ${checked}")
endif()

# Each header compiles alone, and a second time. LibTorch's headers come precompiled, by the flags of
# this build: to parse them for every unit would take minutes. They are those that the headers include
# and no others. (The test "Headers include what they name" reads the include lines for what this
# cannot see; the target ladder_verify_interface_header_sets compiles every header without a
# precompiled one.) A unit ends with an error: the compiler stops at the first one, before it spends
# seconds on all templates of LibTorch that were named and never used.
file(STRINGS "${BUILD_DIR}/compile_commands.json" command
  REGEX "\"command\".*CMakeFiles/ladder_precompiled.dir/[^ ]*precompiled.cpp.o")
string(REGEX REPLACE "^ *\"command\": *\"(.*)\",?$" "\\1" command "${command}")
string(REGEX REPLACE "( -include [^ ]+)? -o [^ ]+ -c [^ ]+.*$" "" command "${command}")
string(REPLACE "\\\"" "\"" command "${command}")
separate_arguments(command UNIX_COMMAND "${command}")
if(NOT command)
  message(FATAL_ERROR "expected the flags of ladder_precompiled in ${BUILD_DIR} but found none")
endif()
list(REMOVE_DUPLICATES libtorch)
list(JOIN libtorch "" lines)
file(WRITE "${WORK_DIR}/libtorch.h" "${lines}")
run(${command} -x c++-header "${WORK_DIR}/libtorch.h" -o "${WORK_DIR}/libtorch.h.gch")
list(APPEND command -include "${WORK_DIR}/libtorch.h" "-I${PREFIX}/include" -fsyntax-only -Wfatal-errors)

# compile_unit(<lines>): the compiler's first error
function(compile_unit lines)
  file(WRITE "${WORK_DIR}/unit.cpp" "${lines}end_of_the_unit;\n")
  execute_process(COMMAND ${command} "${WORK_DIR}/unit.cpp" WORKING_DIRECTORY "${BUILD_DIR}"
    ERROR_VARIABLE messages)
  set(messages "${messages}" PARENT_SCOPE)
endfunction()

compile_unit("no_such_name name;\n")
if(NOT messages MATCHES "error: [^\n]*no_such_name" OR messages MATCHES "end_of_the_unit")
  message(FATAL_ERROR "expected an error about no_such_name but got\n${messages}")
endif()
foreach(header IN LISTS headers)
  compile_unit("#include <${header}>\n#include <${header}>\n")
  if(messages MATCHES "warning:" OR NOT messages MATCHES "error: [^\n]*end_of_the_unit")
    message(FATAL_ERROR "expected ${header} to compile alone but got\n${messages}")
  endif()
endforeach()
