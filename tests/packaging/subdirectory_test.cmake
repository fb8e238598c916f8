# Builds a program that takes the library in by add_subdirectory.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

make_project(subdirectory)
build_program("${WORK_DIR}/source/subdirectory" "-DLADDER_OBJECTS_OF=${BUILD_DIR}")
check_program("${WORK_DIR}/subdirectory/my_program")
expect_libraries_alone(subdirectory)
