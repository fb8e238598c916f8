# The installed package refuses a LibTorch of another series with one sentence, and components; it
# warns of a Torch_DIR without LibTorch.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

install_moved("${BUILD_DIR}")
set(other "${WORK_DIR}/other/share/cmake/Torch")
file(WRITE "${other}/TorchConfigVersion.cmake" "set(PACKAGE_VERSION \"${OTHER_VERSION}\")\n")
file(WRITE "${other}/TorchConfig.cmake" "message(FATAL_ERROR \"loaded\")\n")
run_failing("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK_DIR}/consumer" ${CONFIGURE_FLAGS}
  "-DTorch_DIR=${other}" "-DCMAKE_PREFIX_PATH=${PREFIX}")
expect("ladder: expected LibTorch [0-9]+[.][0-9]+, which it was built with, but got ${OTHER_VERSION} ")

file(WRITE "${WORK_DIR}/parts/CMakeLists.txt" "cmake_minimum_required(VERSION 3.24)
project(parts C CXX)
find_package(ladder REQUIRED COMPONENTS models)
")
run_failing("${CMAKE_COMMAND}" -S "${WORK_DIR}/parts" -B "${WORK_DIR}/parts/build" ${CONFIGURE_FLAGS}
  "-DCMAKE_PREFIX_PATH=${PREFIX}")
expect("ladder: expected no components but got models ")

file(WRITE "${WORK_DIR}/nowhere/CMakeLists.txt" "cmake_minimum_required(VERSION 3.24)
project(nowhere C CXX)
find_package(ladder REQUIRED)
")
run("${CMAKE_COMMAND}" -S "${WORK_DIR}/nowhere" -B "${WORK_DIR}/nowhere/build" ${CONFIGURE_FLAGS}
  "-DTorch_DIR=/nowhere" "-DCMAKE_PREFIX_PATH=${PREFIX}")
expect("expected TorchConfig.cmake in Torch_DIR but found none in /nowhere")
