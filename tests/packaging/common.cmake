# What the packaging tests share.
#
#   run(<command>...), run_failing(<command>...)   set `output`
#   expect(<regex>)                                searches it
#   install_moved(<build tree>)                    installs, then moves the prefix to ${PREFIX}
#   configure_program(<source> <flag>...)          configures a project in ${WORK_DIR}
#   build_program(<source> <flag>...)              configures and builds it
#   forget_settings(<name>)                        the next configuration of a project knows compilers alone
#   check_installed()                              what must hold of any kind of library
#
# Nothing tells the programs where LibTorch is: an installed package must know it.

set(PREFIX "${WORK_DIR}/a prefix")
set(CONSUMER "${SOURCE_DIR}/examples/consumer")
# Of no build type that has flags: what is compiled here calls the library, which is optimised.
set(CONFIGURE_FLAGS -G Ninja -DCMAKE_BUILD_TYPE=None "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}"
  "-DCMAKE_CXX_FLAGS=${CXX_FLAGS}" "-DCMAKE_CXX_COMPILER_LAUNCHER=${CCACHE}")
file(REMOVE_RECURSE "${WORK_DIR}")
file(MAKE_DIRECTORY "${WORK_DIR}")
foreach(variable IN ITEMS CMAKE_PREFIX_PATH Torch_DIR Torch_ROOT)
  unset(ENV{${variable}})
endforeach()

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

# A build of the library itself looks for LibTorch in the .venv of its source tree. Where the tested
# build found it elsewhere, the environment says so, as a user's would.
macro(hand_over_torch)
  if(NOT EXISTS "${SOURCE_DIR}/.venv/bin/python")
    set(ENV{Torch_DIR} "${TORCH_DIR}")
  endif()
endmacro()

macro(install_moved build_dir)
  run("${CMAKE_COMMAND}" --install "${build_dir}" --prefix "${WORK_DIR}/staging")
  file(RENAME "${WORK_DIR}/staging" "${PREFIX}")
endmacro()

macro(configure_program source)
  get_filename_component(_name "${source}" NAME)
  run("${CMAKE_COMMAND}" -S "${source}" -B "${WORK_DIR}/${_name}" ${CONFIGURE_FLAGS} ${ARGN})
endmacro()

# What CMake found out about compilers, for CUDA in seconds, is beside the cache.
macro(forget_settings name)
  file(REMOVE "${WORK_DIR}/${name}/CMakeCache.txt")
endmacro()

macro(build_program source)
  configure_program("${source}" ${ARGN})
  run("${CMAKE_COMMAND}" --build "${WORK_DIR}/${_name}")
endmacro()

# The program of examples/consumer learns to tell its rows apart.
macro(check_program program)
  run("${program}")
  expect("step 99: cost [0-9.]+ ladder ${VERSION}: [0-9]?[0-9] of 600 rows wrong")
endmacro()

# A project in which third_party/ladder is this library, as add_subdirectory wants it.
macro(make_project name)
  file(COPY "${SOURCE_DIR}/tests/packaging/${name}/CMakeLists.txt" "${CONSUMER}/main.cpp"
    DESTINATION "${WORK_DIR}/source/${name}")
  file(MAKE_DIRECTORY "${WORK_DIR}/source/${name}/third_party")
  file(CREATE_LINK "${SOURCE_DIR}" "${WORK_DIR}/source/${name}/third_party/ladder" SYMBOLIC)
endmacro()

# Nothing but the library becomes part of another project's build.
macro(expect_libraries_alone name)
  run("${CMAKE_COMMAND}" --build "${WORK_DIR}/${name}" --target help)
  expect("libladder")
  if(output MATCHES "ladder_tests|ladder-mnist|ladder-step-bench")
    message(FATAL_ERROR "expected neither tests nor programs but got\n${output}")
  endif()
endmacro()

macro(check_operators)
  run("${WORK_DIR}/operators/operators")
  file(GLOB _sources "${SOURCE_DIR}/ladder/ops/*.cpp")
  set(_operators 0)
  foreach(_source IN LISTS _sources)
    file(READ "${_source}" _text)
    string(REGEX MATCHALL "(m[.]def[(]|kSchema =)[ \n]*\"[a-z0-9_]+" _definitions "${_text}")
    foreach(_definition IN LISTS _definitions)
      string(REGEX REPLACE ".*\"" "" _operator "${_definition}")
      expect("ladder::${_operator} ")
      math(EXPR _operators "${_operators} + 1")
    endforeach()
  endforeach()
  if(_operators LESS 3)
    message(FATAL_ERROR "expected operators in ladder/ops but found ${_operators}")
  endif()
endmacro()

macro(check_installed)
  build_program("${CONSUMER}" "-DCMAKE_PREFIX_PATH=${PREFIX}")
  check_program("${WORK_DIR}/consumer/my_program")

  build_program("${SOURCE_DIR}/tests/packaging/operators" "-DCMAKE_PREFIX_PATH=${PREFIX}")
  check_operators()

  # Without a CUDA compiler LibTorch's own package file cannot be used.
  file(REMOVE_RECURSE "${WORK_DIR}/operators")
  build_program("${SOURCE_DIR}/tests/packaging/operators" "-DCMAKE_PREFIX_PATH=${PREFIX}"
    -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON)
  check_operators()
endmacro()
