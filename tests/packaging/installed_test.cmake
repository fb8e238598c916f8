# Installs the library, then builds and runs a program that finds it there.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${WORK_DIR}/prefix")
run("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK_DIR}/build" ${CONFIGURE_FLAGS}
  "-DTorch_DIR=${TORCH_DIR}" "-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix")
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/build")
run("${WORK_DIR}/build/consumer")
expect("ladder ${VERSION}: \\[5, 3\\]")
