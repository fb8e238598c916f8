#include "apps/support/compared_seeds.h"

#include <fmt/format.h>
#include <ladder/io/text_file.h>
#include <ladder/train/run_signs.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "apps/support/json.h"
#include "apps/support/output.h"

namespace ladder::apps {
namespace {

constexpr const char* kFile = "seeds.json";

}  // namespace

std::vector<ComparedSeed> compare_seeds(const std::vector<uint64_t>& seeds,
                                        const std::vector<torch::Tensor>& classes) {
  std::vector<ComparedSeed> compared;
  std::vector<torch::Tensor> predicted;
  for (size_t i = 0; i < seeds.size(); ++i) {
    if (!classes[i].defined()) continue;
    compared.push_back({.seed = seeds[i]});
    predicted.push_back(classes[i]);
  }
  if (predicted.size() < 3) return {};
  const auto shares = train::disagreements(predicted);
  for (size_t i = 0; i < compared.size(); ++i) compared[i].disagreement = shares[i];
  for (const auto place : train::left_behind(shares)) compared[place].looks_left = true;
  return compared;
}

std::vector<std::string> left_behind_sentences(const std::vector<ComparedSeed>& seeds) {
  std::vector<std::string> sentences;
  for (const auto& one : seeds) {
    if (!one.looks_left) continue;
    sentences.push_back(fmt::format(
        "seed {} looks left behind: the others disagree with it on {:.2f} % of the training rows",
        one.seed, one.disagreement));
  }
  return sentences;
}

void write_compared_seeds(const std::filesystem::path& folder,
                          const std::vector<ComparedSeed>& seeds) {
  if (seeds.empty()) return;
  auto json = nlohmann::ordered_json::array();
  for (const auto& one : seeds) {
    json.push_back({{"seed", one.seed},
                    {"disagreement", one.disagreement},
                    {"looks_left_behind", one.looks_left}});
  }
  write_text(folder / kFile, json.dump(2) + "\n");
}

std::vector<ComparedSeed> read_compared_seeds(const std::filesystem::path& folder) {
  const auto path = folder / kFile;
  const auto text = io::read_text_if_present(path);
  if (!text) return {};
  std::vector<ComparedSeed> seeds;
  try {
    for (const auto& one : parse_json(*text).get<nlohmann::ordered_json::array_t>()) {
      seeds.push_back({.seed = one.at("seed"),
                       .disagreement = one.at("disagreement"),
                       .looks_left = one.at("looks_left_behind")});
    }
  } catch (const nlohmann::json::exception&) {
    throw std::runtime_error(
        fmt::format("expected {} as runs of several seeds write it but got another file (delete "
                    "it, or run the seeds again).",
                    path.string()));
  }
  return seeds;
}

}  // namespace ladder::apps
