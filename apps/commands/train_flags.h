/// The flags of `ladder train`.
#pragma once

#include <ladder/classifier.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/commands/data_flags.h"
#include "apps/support/command_line.h"

namespace ladder::apps {

struct TrainFlags {
  std::string data = {}, label = {};
  std::vector<std::string> unlabeled = {}, ignore = {};
  std::string test = {};
  std::filesystem::path out = {};
  std::vector<uint64_t> seeds = {};
  bool no_baseline = false;
  bool no_report = false;
  bool quiet = false;
  std::string shuffle = "auto";
  double rank_timeout = 300;
  std::string device = "auto";
  int64_t threads = 0;
  ClassifierOptions options = {};
  DataFlags read = {};
  bool help = false;
};

/// Return the command line that sets `flags`. `program`: how errors call the command.
CommandLine train_line(TrainFlags& flags, const std::string& program = "ladder train");

/// Refuse flags of which one would be ignored.
void check_train_flags(const TrainFlags& flags, const CommandLine& line);

/// Return whether --ignore names the column.
bool is_ignored(const TrainFlags& flags, const std::string& column);

}  // namespace ladder::apps
