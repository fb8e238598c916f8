# ladder_find_arrow()
#
# Finds Arrow C++ in the wheel pyarrow, which holds headers and libraries but no CMake files: in
# LADDER_ARROW_ROOT, a folder `pyarrow` or a virtual environment, else in .venv-tests or .venv. Sets
# LADDER_ARROW_INCLUDE_DIR and LADDER_ARROW_LIBRARIES.
function(ladder_find_arrow)
  set(places "")
  if(LADDER_ARROW_ROOT)
    file(GLOB places LIST_DIRECTORIES ON "${LADDER_ARROW_ROOT}"
      "${LADDER_ARROW_ROOT}/lib*/python3*/site-packages/pyarrow")
  else()
    file(GLOB places LIST_DIRECTORIES ON
      "${PROJECT_SOURCE_DIR}/.venv-tests/lib*/python3*/site-packages/pyarrow"
      "${PROJECT_SOURCE_DIR}/.venv/lib*/python3*/site-packages/pyarrow")
  endif()
  foreach(place IN LISTS places)
    file(GLOB libraries "${place}/libarrow.so.*" "${place}/libarrow.*.dylib"
      "${place}/libparquet.so.*" "${place}/libparquet.*.dylib")
    list(LENGTH libraries count)
    if(count EQUAL 2 AND EXISTS "${place}/include/parquet/arrow/reader.h")
      message(STATUS "Ladder: Arrow of ${place}")
      set(LADDER_ARROW_INCLUDE_DIR "${place}/include" PARENT_SCOPE)
      set(LADDER_ARROW_LIBRARIES "${libraries}" PARENT_SCOPE)
      set_property(GLOBAL PROPERTY LADDER_ARROW_LIBRARIES "${libraries}")  # for the package file
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "Ladder: expected the wheel pyarrow in .venv-tests or .venv, for LADDER_ARROW=ON, "
    "but found none (./bootstrap.sh test installs it; or give -DLADDER_ARROW_ROOT=<a folder pyarrow or a virtual environment>)")
endfunction()
