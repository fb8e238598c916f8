# The installed package refuses a LibTorch of another series with one sentence.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

install_moved("${BUILD_DIR}")
set(other "${WORK_DIR}/other/share/cmake/Torch")
file(WRITE "${other}/TorchConfigVersion.cmake" "set(PACKAGE_VERSION \"${OTHER_VERSION}\")\n")
file(WRITE "${other}/TorchConfig.cmake" "message(FATAL_ERROR \"loaded\")\n")
run_failing("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK_DIR}/consumer" ${CONFIGURE_FLAGS}
  "-DTorch_DIR=${other}" "-DCMAKE_PREFIX_PATH=${PREFIX}")
expect("ladder: expected LibTorch [0-9]+[.][0-9]+, which it was built with, but got ${OTHER_VERSION} ")
