# Configures a program that takes the library in by add_subdirectory; nothing but the two libraries
# becomes part of its build.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

run("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK_DIR}/build" ${CONFIGURE_FLAGS}
  "-DTorch_DIR=${TORCH_DIR}" "-DLADDER_SOURCE=${SOURCE_DIR}")
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/build" --target help)
expect("ladder_models")
if(output MATCHES "ladder_tests|ladder-mnist")
  message(FATAL_ERROR "expected neither tests nor programs but got\n${output}")
endif()
