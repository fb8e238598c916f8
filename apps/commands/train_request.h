/// What the arguments of `ladder train` ask for, without training.
#pragma once

#include <ladder/classifier.h>
#include <ladder/data/samples.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace ladder::apps {

struct TrainRequest {
  std::string data = {}, label = {};
  std::vector<std::string> ignore = {};
  data::Samples rows = {};  ///< those of DATA and of --unlabeled
  ClassifierOptions options = {};
  /// What the arguments and the file of --config set: names of flags, and their values.
  std::vector<std::pair<std::string, std::string>> flags = {};
  bool several_seeds = false;
  bool has_test = false;
};

/// Read the arguments of `ladder train`, behind the name that errors call the command by, and the
/// rows that they name. Errors: those of that command.
TrainRequest read_train_request(int argc, const char* const* argv);

/// Return the folder of a program's runs on DATA where none is given: PARENT/NAME of DATA.
std::filesystem::path default_folder(const std::string& parent, const std::string& data);

}  // namespace ladder::apps
