#include "apps/commands/train_outcome.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/exports/model_card.h>
#include <ladder/runs/seed_summary.h>
#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/commands/data_flags.h"
#include "apps/commands/data_notes.h"
#include "apps/commands/metrics_text.h"
#include "apps/support/compared_seeds.h"
#include "apps/support/output.h"
#include "apps/support/progress.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

// "id (different in nearly every row), kind (constant)"; empty where every column is used.
std::string unused_text(const Classifier& classifier) {
  constexpr size_t kShown = 5;
  const auto& features = classifier.model().features;
  if (!features) return {};
  std::vector<std::string> unused;
  for (const auto& column : features->columns) {
    if (!column.dropped.empty()) {
      unused.push_back(fmt::format("{} ({})", column.name, column.dropped));
    }
  }
  const auto more = unused.size() > kShown ? unused.size() - kShown : 0;
  unused.resize(unused.size() - more);
  return fmt::format("{}{}", fmt::join(unused, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace

void write_outcome(const Trained& run, const Trained* baseline) {
  nlohmann::ordered_json json;
  const auto& classes = run.classifier.classes();
  const auto add = [&](const char* name, const auto& metrics) {
    if (metrics) json[name] = metrics_json(*metrics, classes);
  };
  json["held_back_by"] = run.fit.held_back.method;
  add("held_back", run.held_back);
  add("test", run.test);
  if (baseline != nullptr) {
    // Both networks predict the same rows: those that one alone gets right or wrong compare them.
    const auto add_beside = [&](const char* name, const auto& metrics, const torch::Tensor& here,
                                const torch::Tensor& there) {
      add(name, metrics);
      if (!metrics || !here.defined() || here.sizes() != there.sizes()) return;
      json[name]["only_right"] = here.logical_and(there.logical_not()).sum().item<int64_t>();
      json[name]["only_wrong"] = there.logical_and(here.logical_not()).sum().item<int64_t>();
    };
    add_beside("held_back_labels_alone", baseline->held_back, run.held_back_wrong,
               baseline->held_back_wrong);
    add_beside("test_labels_alone", baseline->test, run.test_wrong, baseline->test_wrong);
  }
  write_text(run.folder / "evaluation.json", json.dump(2) + "\n");
  write_text(run.folder / "MODEL.md", exports::model_card(run.classifier.model()));
}

std::string outcome_text(const Trained& run, const Trained* baseline, const fs::path& out,
                         bool chosen) {
  std::string text;
  if (const auto* metrics = outcome_of(run)) {
    text += fmt::format("error     {}, {}\n", error_text(*metrics), measured_on(run));
    if (chosen && !run.test) {
      text +=
          "          lowest of the seeds, so too good: expect their mean, or measure on --test\n";
    }
    if (const auto* alone = baseline == nullptr ? nullptr : outcome_of(*baseline)) {
      text += fmt::format("          from the labels alone: {:.2f} %\n", alone->error);
    }
  } else {
    text +=
        "error     not measured: no labeled rows were held back (--test DATA, --folds 5 or "
        "--validation 0.2 measures it)\n";
  }
  const bool has_folds = run.fit.fold_seconds > 0;
  text += fmt::format("trained   {} rows, {} of them labeled, {} classes, in {}{}\n", run.fit.rows,
                      run.fit.labeled, run.classifier.classes().size(),
                      clock_text(run.fit.training.seconds + run.fit.fold_seconds),
                      has_folds ? ", folds included" : "");
  if (const auto unused = unused_text(run.classifier); !unused.empty()) {
    text += fmt::format("not used  {}\n", unused);
  }
  if (const auto& features = run.classifier.model().features) {
    constexpr size_t kMaxLines = 5;
    const auto notes = feature_notes(*features);
    for (size_t i = 0; i < notes.size() && i < kMaxLines; ++i) {
      text += fmt::format("note      {}\n", notes[i]);
    }
    if (notes.size() > kMaxLines) {
      text += fmt::format("note      and {} columns more\n", notes.size() - kMaxLines);
    }
  }
  return text + fmt::format("model     {}\n", (out / kModelFile).string());
}

std::string seed_errors_text(const std::vector<Trained>& runs) {
  std::vector<double> errors;
  std::string text = fmt::format("\n{:>6}  error, %\n", "seed");
  for (const auto& run : runs) {
    const auto* metrics = outcome_of(run);
    text += fmt::format("{:>6}  {}\n", run.seed,
                        metrics != nullptr ? fmt::format("{:.2f}", metrics->error) : "-");
    if (metrics != nullptr) errors.push_back(metrics->error);
  }
  if (errors.empty()) return text;
  const auto summary = runs::summarize(errors);
  return text + fmt::format("mean {:.2f}  std {}  over {} seed{}\n", summary.mean,
                            errors.size() > 1 ? fmt::format("{:.2f}", summary.std) : "-",
                            errors.size(), errors.size() > 1 ? "s" : "");
}

std::string left_behind_text(const std::vector<Trained>& runs, const data::Samples& rows,
                             const fs::path& out) {
  if (runs.size() < 3 || rows.shards) return {};
  const auto count = std::min(rows.rows(), kComparedRows);
  const auto places = torch::arange(count) * rows.rows() / count;
  const auto some = some_rows(rows, places.to(torch::kLong));
  std::vector<uint64_t> seeds;
  std::vector<torch::Tensor> classes;
  for (const auto& run : runs) {
    seeds.push_back(run.seed);
    classes.push_back(run.classifier.predict_proba(some).argmax(1));
  }
  const auto compared = compare_seeds(seeds, classes);
  write_compared_seeds(out, compared);
  std::string text;
  for (const auto& sentence : left_behind_sentences(compared)) text += sentence + "\n";
  return text;
}

const Trained& best_of(const std::vector<Trained>& runs) {
  return *std::min_element(runs.begin(), runs.end(), [](const Trained& a, const Trained& b) {
    const auto error = [](const Trained& run) {
      return run.held_back ? run.held_back->error : std::numeric_limits<double>::infinity();
    };
    return error(a) < error(b);
  });
}

Classifier chosen_model(const std::vector<Trained>& runs, const Trained& best) {
  auto chosen = best.classifier;
  std::vector<double> errors;
  for (const auto& run : runs) {
    if (const auto* metrics = outcome_of(run)) errors.push_back(metrics->error);
  }
  if (errors.size() < 2) return chosen;
  const auto copy_of = [&](const char* name) {
    const auto* text = fact_of(chosen, name);
    return text == nullptr ? std::string() : *text;
  };
  const auto error = copy_of("error"), test_error = copy_of("test error");
  const auto summary = runs::summarize(errors);
  // Each stands before those that are there.
  chosen.put_fact("mean error",
                  fmt::format("{:.2f} % over {} seeds, standard deviation {:.2f} % ({})",
                              summary.mean, errors.size(), summary.std, measured_on(best)));
  if (!error.empty()) {
    chosen.put_fact("error",
                    fmt::format("{}; lowest of {} seeds, so too good", error, runs.size()));
  }
  if (!test_error.empty()) chosen.put_fact("test error", test_error);
  return chosen;
}

}  // namespace ladder::apps
