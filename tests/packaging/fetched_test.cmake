# Configures a program that fetches the library, from its repository where there is one and from a
# folder; to compile it would prove what the add_subdirectory test proves.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

hand_over_torch()
make_project(fetched)
configure_program("${WORK_DIR}/source/fetched" "-DFETCHCONTENT_SOURCE_DIR_LADDER=${SOURCE_DIR}")
expect_libraries_alone(fetched)

# A project that brings the libraries that Ladder needs, and no package of them is there.
file(WRITE "${WORK_DIR}/libraries.cmake"
  "add_library(fmt::fmt-header-only INTERFACE IMPORTED GLOBAL)
add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED GLOBAL)\n")
forget_settings(fetched)
configure_program("${WORK_DIR}/source/fetched" "-DFETCHCONTENT_SOURCE_DIR_LADDER=${SOURCE_DIR}"
  "-DCMAKE_PROJECT_my_program_INCLUDE=${WORK_DIR}/libraries.cmake"
  -DCMAKE_DISABLE_FIND_PACKAGE_fmt=ON -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON)

# A generator of several configurations.
run("${CMAKE_COMMAND}" -S "${WORK_DIR}/source/fetched" -B "${WORK_DIR}/several" -G "Ninja Multi-Config"
  "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}" "-DFETCHCONTENT_SOURCE_DIR_LADDER=${SOURCE_DIR}")

find_program(GIT git)
if(GIT AND EXISTS "${SOURCE_DIR}/.git")
  _run("${GIT}" -C "${SOURCE_DIR}" rev-parse HEAD)
  if(status EQUAL 0)
    string(STRIP "${output}" commit)
    set(ENV{Torch_DIR} "${TORCH_DIR}")  # a clone has no .venv
    forget_settings(fetched)
    configure_program("${WORK_DIR}/source/fetched" "-DLADDER_REPOSITORY=file://${SOURCE_DIR}"
      "-DLADDER_TAG=${commit}")
    expect_libraries_alone(fetched)
  endif()
endif()
