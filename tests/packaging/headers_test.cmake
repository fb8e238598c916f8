# Every public header is installed, includes the standard library, LibTorch and other installed
# headers only, and compiles alone.

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
    elseif(NOT name MATCHES "^(ATen|c10|torch)/" AND NOT name MATCHES "^[a-z_]+$")
      message(FATAL_ERROR "${header}: expected the standard library or LibTorch but got ${name}")
    endif()
    math(EXPR checked "${checked} + 1")
  endforeach()
endforeach()
if(checked LESS 100)
  message(FATAL_ERROR "expected over 100 includes in ${PREFIX} but found ${checked}")
endif()

# Each header is the only one of ours in its translation unit, twice. LibTorch's come precompiled, by
# the flags of this build: to parse them for every header would take minutes. (The test "Headers
# include what they name" reads the include lines for what this cannot see; the target
# ladder_verify_interface_header_sets compiles every header without a precompiled one.)
file(STRINGS "${BUILD_DIR}/compile_commands.json" command
  REGEX "\"command\".*CMakeFiles/ladder_precompiled.dir/[^ ]*precompiled.cpp.o")
string(REGEX REPLACE "^ *\"command\": *\"(.*)\",?$" "\\1" command "${command}")
string(REGEX REPLACE " -o [^ ]+ -c [^ ]+.*$" "" command "${command}")
string(REPLACE "\\\"" "\"" command "${command}")
separate_arguments(command UNIX_COMMAND "${command}")
if(NOT command)
  message(FATAL_ERROR "expected the flags of ladder_precompiled in ${BUILD_DIR} but found none")
endif()
foreach(header IN LISTS headers)
  string(MAKE_C_IDENTIFIER "${header}" name)
  set(unit "${WORK_DIR}/alone/${name}.cpp")
  file(WRITE "${unit}" "#include <${header}>\n#include <${header}>\n")
  execute_process(COMMAND ${command} -fsyntax-only "-I${PREFIX}/include" "${unit}"
    WORKING_DIRECTORY "${BUILD_DIR}" ERROR_VARIABLE output RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${header}: expected it to compile alone but got\n${output}")
  endif()
endforeach()
