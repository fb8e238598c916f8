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
    elseif(NOT name MATCHES "^((ATen|c10|torch)/.*|[a-z_]+)$")
      message(FATAL_ERROR "${header}: expected the standard library or LibTorch but got ${name}")
    endif()
    math(EXPR checked "${checked} + 1")
  endforeach()
endforeach()
if(checked LESS 100)
  message(FATAL_ERROR "expected over 100 includes in ${PREFIX} but found ${checked}")
endif()

# All headers compile together by what they include of LibTorch, and each compiles alone, and a second
# time. For the latter LibTorch's headers come precompiled, as this build has them: to parse them for
# every unit would take minutes. (The test "Headers include what they name" reads the include lines for
# what this cannot see; the target ladder_verify_interface_header_sets compiles every header without a
# precompiled one.) A unit ends with an error: the compiler stops at the first one, before it spends
# seconds on all templates of LibTorch that were named and never used.
file(STRINGS "${BUILD_DIR}/compile_commands.json" command
  REGEX "\"command\".*CMakeFiles/ladder_precompiled.dir/[^ ]*precompiled.cpp.o")
string(REGEX REPLACE "^ *\"command\": *\"(.*)\",?$" "\\1" command "${command}")
string(REGEX REPLACE " -o [^ ]+ -c [^ ]+.*$" "" command "${command}")
string(REPLACE "\\\"" "\"" command "${command}")
separate_arguments(command UNIX_COMMAND "${command}")
if(NOT command MATCHES ";-include;[^;]*;?$")
  message(FATAL_ERROR "expected the flags of ladder_precompiled in ${BUILD_DIR} but got ${command}")
endif()
string(REGEX REPLACE ";-include;[^;]*;?$" "" plain_command "${command}")

# compile_unit(<lines> <command>...): the compiler's first error
function(compile_unit lines)
  file(WRITE "${WORK_DIR}/unit.cpp" "${lines}end_of_the_unit;\n")
  execute_process(
    COMMAND ${ARGN} "-I${PREFIX}/include" -fsyntax-only -Wfatal-errors "${WORK_DIR}/unit.cpp"
    WORKING_DIRECTORY "${BUILD_DIR}" ERROR_VARIABLE messages)
  set(messages "${messages}" PARENT_SCOPE)
endfunction()

compile_unit("no_such_name name;\n" ${plain_command})
if(NOT messages MATCHES "error: [^\n]*no_such_name" OR messages MATCHES "end_of_the_unit")
  message(FATAL_ERROR "expected an error about no_such_name but got\n${messages}")
endif()
macro(expect_compiled what)
  if(messages MATCHES "warning:" OR NOT messages MATCHES "error: [^\n]*end_of_the_unit")
    message(FATAL_ERROR "expected ${what} to compile but got\n${messages}")
  endif()
endmacro()
list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>\n" OUTPUT_VARIABLE lines)
list(JOIN lines "" lines)
compile_unit("${lines}" ${plain_command})
expect_compiled("all headers together")
foreach(header IN LISTS headers)
  compile_unit("#include <${header}>\n#include <${header}>\n" ${command})
  expect_compiled("${header} alone")
endforeach()
