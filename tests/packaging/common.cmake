# run(<command>...) and run_failing(<command>...) set `output`; expect(<regex>) searches it.

set(CONSUMER "${SOURCE_DIR}/tests/packaging/consumer")
set(CONFIGURE_FLAGS -G Ninja -DCMAKE_BUILD_TYPE=Release
  "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}" "-DCMAKE_CXX_FLAGS=${CXX_FLAGS}")
file(REMOVE_RECURSE "${WORK_DIR}")
file(MAKE_DIRECTORY "${WORK_DIR}")

macro(_run)
  execute_process(COMMAND ${ARGN}
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
  # CMake wraps the lines of its messages.
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
endmacro()

macro(run)
  _run(${ARGN})
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "expected success of ${ARGN} but got ${status}:\n${output}")
  endif()
endmacro()

macro(run_failing)
  _run(${ARGN})
  if(status EQUAL 0)
    message(FATAL_ERROR "expected failure of ${ARGN} but got success:\n${output}")
  endif()
endmacro()

macro(expect regex)
  if(NOT output MATCHES "${regex}")
    message(FATAL_ERROR "expected output that matches ${regex} but got\n${output}")
  endif()
endmacro()
