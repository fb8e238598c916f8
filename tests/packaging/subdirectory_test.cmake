# Builds a program that takes the library in by add_subdirectory.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

hand_over_torch()
make_project(subdirectory)
build_program("${WORK_DIR}/source/subdirectory" "-DLADDER_OBJECTS_OF=${BUILD_DIR}")
check_program("${WORK_DIR}/subdirectory/my_program")
expect_libraries_alone(subdirectory)

# Flags of the compilation of the file whose name matches `regex`.
macro(flags_of regex)
  file(STRINGS "${WORK_DIR}/subdirectory/compile_commands.json" commands REGEX "\"command\"")
  list(FILTER commands INCLUDE REGEX "${regex}")
  list(LENGTH commands count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "expected one compilation of ${regex} but got ${count}")
  endif()
  set(output "${commands}")
endmacro()

# Without a build type the library is optimised and says so; the project stays as it is.
forget_settings(subdirectory)
configure_program("${WORK_DIR}/source/subdirectory" -DCMAKE_BUILD_TYPE=
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON)
expect("Ladder: compiled with -O2, since CMAKE_BUILD_TYPE is not set")
flags_of("unity_nn_.*[.]cxx[.]o ")
expect(" -O2 ")
flags_of("my_program.dir/main.cpp.o ")
if(output MATCHES " -O")
  message(FATAL_ERROR "expected the project's own flags but got\n${output}")
endif()
file(STRINGS "${WORK_DIR}/subdirectory/CMakeCache.txt" output REGEX "^CMAKE_BUILD_TYPE")
expect("^CMAKE_BUILD_TYPE:[A-Z]+=$")

# What would hide the library's functions, or its missing values, does not reach it.
configure_program("${WORK_DIR}/source/subdirectory" -DCMAKE_CXX_VISIBILITY_PRESET=hidden
  -DCMAKE_VISIBILITY_INLINES_HIDDEN=ON "-DCMAKE_CXX_FLAGS=${CXX_FLAGS} -ffast-math"
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON)
flags_of("unity_nn_.*[.]cxx[.]o ")
expect(" -fvisibility=default ")
expect(" -ffast-math .*-fno-finite-math-only")
if(output MATCHES "-fvisibility=hidden|-fvisibility-inlines-hidden")
  message(FATAL_ERROR "expected functions that are seen but got\n${output}")
endif()
flags_of("my_program.dir/main.cpp.o ")
expect(" -fvisibility=hidden ")
forget_settings(subdirectory)

# Warnings are errors in the project alone.
configure_program("${WORK_DIR}/source/subdirectory" -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON)
flags_of("unity_nn_.*[.]cxx[.]o ")
if(output MATCHES " -Werror ")
  message(FATAL_ERROR "expected no warnings as errors but got\n${output}")
endif()
flags_of("my_program.dir/main.cpp.o ")
expect(" -Werror ")
forget_settings(subdirectory)

# A build type decides.
configure_program("${WORK_DIR}/source/subdirectory" -DCMAKE_BUILD_TYPE=Debug
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON)
flags_of("unity_nn_.*[.]cxx[.]o ")
if(output MATCHES " -O2 ")
  message(FATAL_ERROR "expected the flags of Debug but got\n${output}")
endif()
