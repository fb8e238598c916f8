# Configures a program that fetches the library, from its repository where there is one and from a
# folder; to compile it would prove what the add_subdirectory test proves.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

hand_over_torch()
make_project(fetched)
configure_program("${WORK_DIR}/source/fetched" "-DFETCHCONTENT_SOURCE_DIR_LADDER=${SOURCE_DIR}")
expect_libraries_alone(fetched)

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
