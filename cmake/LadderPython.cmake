# ladder_choose_python(), before LibTorch is found; ladder_find_python(), after.
#
# LADDER_BUILD_PYTHON: build the Python module. Default: ON in this project's own builds where LibTorch
# is a Python wheel and the headers of its Python are found.
#
# The module is compiled for one Python: Python_EXECUTABLE, or the one of .venv-tests or .venv, or
# python3. In a build by pip, LibTorch is the wheel of the Python that builds, if Torch_DIR names no
# other one.
macro(ladder_choose_python)
  if(NOT Python_EXECUTABLE)
    foreach(_ladder_python IN ITEMS "${PROJECT_SOURCE_DIR}/.venv-tests/bin/python"
        "${PROJECT_SOURCE_DIR}/.venv/bin/python")
      if(EXISTS "${_ladder_python}")
        set(Python_EXECUTABLE "${_ladder_python}")
        break()
      endif()
    endforeach()
  endif()
  if(SKBUILD AND NOT Torch_DIR AND NOT DEFINED ENV{Torch_DIR})
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -c
        "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
      OUTPUT_VARIABLE _ladder_torch_package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(EXISTS "${_ladder_torch_package}/share/cmake/Torch/TorchConfig.cmake")
      set(Torch_DIR "${_ladder_torch_package}/share/cmake/Torch")
    endif()
  endif()
endmacro()

macro(ladder_find_python)
  get_filename_component(_ladder_torch_package "${LADDER_TORCH_DIR}/../../.." ABSOLUTE)
  set(_ladder_python_possible OFF)
  if((PROJECT_IS_TOP_LEVEL OR LADDER_BUILD_PYTHON) AND LADDER_TORCH_VERSION MATCHES "^2[.]11([.]|$)"
      AND EXISTS "${_ladder_torch_package}/include/pybind11/pybind11.h")
    find_package(Python 3.11 QUIET COMPONENTS Interpreter Development.Module)
    if(Python_FOUND)
      set(_ladder_python_possible ON)
    endif()
  endif()
  option(LADDER_BUILD_PYTHON "Build the Python module" ${_ladder_python_possible})
  if(LADDER_BUILD_PYTHON AND NOT LADDER_TORCH_VERSION MATCHES "^2[.]11([.]|$)")
    message(FATAL_ERROR
      "Ladder: expected torch 2.11 for the Python module but got ${LADDER_TORCH_VERSION} "
      "(${LADDER_TORCH_DIR}; pip install 'torch==2.11.*').")
  elseif(LADDER_BUILD_PYTHON AND NOT _ladder_python_possible)
    message(FATAL_ERROR
      "Ladder: expected a LibTorch that is a Python wheel and the headers of Python 3.11 or later for "
      "LADDER_BUILD_PYTHON=ON but found ${_ladder_torch_package} and '${Python_INCLUDE_DIRS}' (on Debian "
      "or Ubuntu: apt-get install python3-dev).")
  elseif(PROJECT_IS_TOP_LEVEL AND NOT LADDER_BUILD_PYTHON)
    message(STATUS "Ladder: no Python module (LADDER_BUILD_PYTHON=OFF, or no torch wheel or no headers of Python)")
  elseif(LADDER_BUILD_PYTHON)
    message(STATUS "Ladder: Python module for ${Python_EXECUTABLE} (${Python_VERSION})")
  endif()
endmacro()
