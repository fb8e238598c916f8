# The same with the other kind of library, shared where the build is static: linked anew from the
# objects of the build, installed, moved, used.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

hand_over_torch()
run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${WORK_DIR}/library" ${CONFIGURE_FLAGS}
  "-DBUILD_SHARED_LIBS=${OTHER_KIND_SHARED}"
  "-DLADDER_OBJECTS_OF=${BUILD_DIR}" "-DLADDER_ARROW=${ARROW}"
  -DLADDER_BUILD_BENCHMARKS=OFF -DLADDER_BUILD_EXAMPLES=OFF
  -DLADDER_BUILD_TESTS=OFF -DLADDER_BUILD_PYTHON=OFF)
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/library")
unset(ENV{Torch_DIR})
install_moved("${WORK_DIR}/library")
file(GLOB_RECURSE libraries "${PREFIX}/libladder.*")
if(OTHER_KIND_SHARED)
  set(ending "[.]so")
  list(GET libraries 0 library)
  run(ldd "${library}")
  if(output MATCHES "not found")
    message(FATAL_ERROR "expected libraries that find what they need but got\n${output}")
  endif()
else()
  set(ending "[.]a")
endif()
if(NOT libraries MATCHES "${ending}")
  message(FATAL_ERROR "expected libraries ending in ${ending} but got ${libraries}")
endif()
# The moved library must not lean on the trees it was made in.
file(RENAME "${WORK_DIR}/library" "${WORK_DIR}/library-moved")
check_installed()
