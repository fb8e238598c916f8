#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "tests/support/paths.h"
#include "tests/support/program.h"

namespace ladder::testing {

/// Reason for LADDER_SKIP where `python` finds none.
inline constexpr const char* kNoPython =
    "no Python packages to compare with (./bootstrap.sh test installs them in .venv-tests)";

/// Path of the Python interpreter with the packages of tests/python/requirements.txt, if it is
/// installed and has `module`. "torch" is there if the LibTorch of this build is a Python wheel
/// that Python can load.
///
///     const auto python = testing::python("onnxruntime");
///     if (!python) LADDER_SKIP(kNoPython);
inline std::optional<std::string> python(const std::string& module = "numpy") {
  static std::map<std::string, bool> known;
  const auto environment = source_folder() / ".venv-tests";
  const auto interpreter = (environment / "bin/python").string();
  if (!std::filesystem::exists(environment / ".bootstrap")) return std::nullopt;
  auto found = known.find(module);
  if (found == known.end()) {
    // PyTorch may be there without the CUDA libraries that its wheel wants.
    const std::string script =
        module == "torch"
            ? "import torch"
            : "import importlib.util, sys\nsys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
    const bool has = run_to_end({interpreter, "-c", script, module}).status == 0;
    found = known.emplace(module, has).first;
  }
  return found->second ? std::optional(interpreter) : std::nullopt;
}

/// Run a Python script with these arguments, sys.argv[1] and so on. The environment must have the
/// interpreter, see `python`.
///
///     const auto outcome = run_python("import sys; print(len(sys.argv[1]))", {"abc"});
///     CHECK(outcome.out == "3\n");
inline Outcome run_python(const std::string& script, const Arguments& arguments = {}) {
  const auto interpreter = python();
  if (!interpreter) throw std::runtime_error("run_python: expected .venv-tests but found none");
  // Python's own folder of the script, "", is not searched: a file of the working folder is no
  // module.
  return run_to_end(Arguments{*interpreter, "-P", "-c", script} + arguments,
                    {{"OMP_NUM_THREADS", "1"}, {"PYTHONDONTWRITEBYTECODE", "1"}});
}

}  // namespace ladder::testing
