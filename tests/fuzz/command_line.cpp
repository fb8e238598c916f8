// Arguments of a program, one a line.
#include "apps/support/command_line.h"

#include <vector>

#include "tests/fuzz/support.h"

namespace {

std::vector<std::string> arguments_of(std::string_view text) {
  std::vector<std::string> arguments = {"ladder"};
  while (!text.empty() && arguments.size() < 64) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string argument(text.substr(0, end));
    arguments.push_back(argument.substr(0, argument.find('\0')));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return arguments;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  const auto arguments = arguments_of(fuzz::Input(data, size).rest());
  std::vector<const char*> pointers;
  for (const auto& argument : arguments) pointers.push_back(argument.c_str());
  int64_t epochs = 1;
  double rate = 0.1;
  double noise = 0;
  bool resume = false;
  std::string device = "cpu";
  apps::CommandLine line("ladder", "Train.");
  line.heading("training");
  line.integer("epochs", "passes", epochs, 1, 1000);
  line.positive_number("lr,learning-rate", "RATE", "rate", rate);
  line.number("noise", "STD", "noise", noise, 0, 10);
  line.toggle("resume", "go on", resume);
  line.choice("device", "where", device, {"cpu", "cuda"});
  std::vector<uint64_t> seeds;
  std::vector<int64_t> layers;
  std::vector<double> weights;
  line.flag("seeds", "LIST", "seeds", [&](const std::string& flag, const std::string& text) {
    seeds = apps::parse_seeds(flag, text);
  });
  line.flag("layers", "LIST", "layers", [&](const std::string& flag, const std::string& text) {
    layers = apps::parse_integers(flag, text, 1);
  });
  line.flag("lambda", "LIST", "weights", [&](const std::string& flag, const std::string& text) {
    weights = apps::parse_numbers(flag, text, 0);
  });
  try {
    line.parse(static_cast<int>(pointers.size()), pointers.data());
    line.apply();
    if (epochs < 1 || epochs > 1000 || !(rate > 0) || !(noise >= 0 && noise <= 10)) {
      fuzz::fault("a value outside of its range");
    }
  } catch (const apps::UsageError& error) {
    if (std::string_view(error.what()).empty()) fuzz::fault("no sentence");
  }
  return 0;
}
