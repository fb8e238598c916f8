#include "apps/commands/train_request.h"

#include <ladder/data/read_samples.h>

#include "apps/commands/train_flags.h"
#include "apps/commands/train_rows.h"
#include "apps/support/program.h"

namespace ladder::apps {

std::filesystem::path default_folder(const std::string& parent, const std::string& data) {
  std::filesystem::path stem = data::source_name(data);
  while (stem.has_extension() && stem.stem() != stem) stem = stem.stem();
  return std::filesystem::path(parent) /
         (stem.empty() || stem == "." ? std::filesystem::path("model") : stem);
}

TrainRequest read_train_request(int argc, const char* const* argv) {
  TrainFlags flags;
  auto line = train_line(flags, argv[0]);
  line.parse(argc, argv);
  line.apply();
  check_train_flags(flags, line);
  set_threads(flags.threads);
  auto rows = training_rows(flags);
  return {.data = flags.data,
          .label = flags.label,
          .ignore = flags.ignore,
          .rows = rows,
          .options = flags.options,
          .flags = line.given_flags(),
          .several_seeds = !flags.seeds.empty(),
          .has_test = !flags.test.empty()};
}

}  // namespace ladder::apps
