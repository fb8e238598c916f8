# Installs the library, moves it, then builds and runs programs that find it there.

include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

install_moved("${BUILD_DIR}")
check_installed()
