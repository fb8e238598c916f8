# An installed package uses the LibTorch that it was built with when the user names no other one.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

install_moved("${BUILD_DIR}")

# A Python wheel of another series, which the user did not ask for, is passed over.
set(wheel "${WORK_DIR}/wheel/torch")
file(WRITE "${wheel}/share/cmake/Torch/TorchConfigVersion.cmake"
  "set(PACKAGE_VERSION \"${OTHER_VERSION}\")\n")
file(WRITE "${wheel}/share/cmake/Torch/TorchConfig.cmake" "message(FATAL_ERROR \"loaded\")\n")
file(WRITE "${WORK_DIR}/python3" "#!/bin/sh\necho '${wheel}'\n")
file(CHMOD "${WORK_DIR}/python3" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
configure_program("${CONSUMER}" "-DCMAKE_PREFIX_PATH=${PREFIX}"
  "-DLADDER_PYTHON=${WORK_DIR}/python3")
expect("LibTorch [0-9.]+")

# It has been removed since.
file(GLOB_RECURSE config "${PREFIX}/ladderConfig.cmake")
file(READ "${config}" text)
set(gone "${WORK_DIR}/gone/share/cmake/Torch")
string(REPLACE "${TORCH_DIR}" "${gone}" changed "${text}")
if(changed STREQUAL text)
  message(FATAL_ERROR "expected ${TORCH_DIR} in ${config}")
endif()
file(WRITE "${config}" "${changed}")
file(REMOVE_RECURSE "${WORK_DIR}/consumer")
run_failing("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK_DIR}/consumer" ${CONFIGURE_FLAGS}
  "-DCMAKE_PREFIX_PATH=${PREFIX}" "-DLADDER_PYTHON=${WORK_DIR}/python3")
expect("ladder: expected LibTorch [0-9.]+ in Torch_DIR, CMAKE_PREFIX_PATH, a Python wheel or ${gone}, where it was when ladder was built, but found none [(]set Torch_DIR to the folder of TorchConfig.cmake[)][.]")

# Torch_DIR still says where it is.
configure_program("${CONSUMER}" "-DCMAKE_PREFIX_PATH=${PREFIX}" "-DTorch_DIR=${TORCH_DIR}"
  "-DLADDER_PYTHON=${WORK_DIR}/python3")
