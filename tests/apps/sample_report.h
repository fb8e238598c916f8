/// Reports of invented runs: with everything, with hardly anything, and at the limits.
#pragma once

#include <ladder/train/metrics.h>
#include <torch/torch.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/report/report_data.h"

namespace ladder::testing {

/// What an invented report holds.
struct SampleOptions {
  int64_t classes = 10;
  int64_t rows = 10000;  ///< test rows
  int64_t seeds = 1;
  int64_t evaluations = 40;
  int64_t levels = 4;   ///< above the input; 0: no decoder
  int64_t columns = 0;  ///< 0: images
  bool long_names = false;
  bool test = true;  ///< test rows and what is measured on them
  bool learned = true;
};

class SampleReport {
 public:
  explicit SampleReport(SampleOptions options) : options_(options), generator_(7) {}

  apps::ReportData make() {
    apps::ReportData data;
    const auto& o = options_;
    data.title = o.columns > 0 ? "Which crop grows here" : "Handwritten digits";
    data.subtitle =
        "Ladder network of 3 hidden layers, trained with 200 labeled rows and 9,800 "
        "unlabeled ones.";
    data.date = "2026-01-02";
    data.classes = names();
    for (int64_t seed = 1; seed <= o.seeds; ++seed) data.runs.push_back(run(seed));
    if (o.levels > 0) {
      data.lambda = {1000, 10};
      data.lambda.resize(static_cast<size_t>(o.levels) + 1, 0.1);
      data.levels.emplace_back("input");
      for (int64_t l = 1; l <= o.levels; ++l)
        data.levels.push_back("dense " + std::to_string(100 * l));
    } else {
      data.lambda = {0, 0, 0};
    }
    if (o.test) {
      data.metrics = train::classification_metrics(probabilities(), labels_);
      data.runs[0].rows = data.metrics->rows;
      data.runs[0].wrong = data.metrics->wrong;
      data.baselines = {.labels_alone = 3 * data.metrics->error,
                        .labels_alone_note = "the same network without unlabeled rows",
                        .majority = 88.65,
                        .majority_class = data.classes[1]};
      add_unsure(data);
    }
    if (o.learned && o.levels > 0) add_curves(data);
    if (o.learned) add_top_layer(data);
    if (o.learned && o.columns == 0 && o.levels > 0) add_reconstructions(data);
    add_data(data);
    data.settings = {{"layers", "dense 100, dense 200, dense 300, dense 10"},
                     {"lambda", "1000, 10, 0.1, 0.1"},
                     {"noise", "0.3"},
                     {"epochs", "40"},
                     {"a path",
                      "/a/folder/with/a/very/long/name/that/has/no/spaces/in/it/at/all/"
                      "and/goes/on/for/a/while/until/it/ends"}};
    data.environment = {
        {"ladder", "0.1.0"}, {"LibTorch", "2.11.0"}, {"cpu", "AMD EPYC"}, {"threads", "2"}};
    data.commands = {"ladder train crops.csv --label crop --seed 1 --out runs/crops",
                     "ladder report runs/crops -o report.html"};
    data.warnings = {
        "The class <barley> has 1 labeled row: its numbers are hardly more than a guess.",
        "Column 'id' differs in every row & was left out."};
    return data;
  }

 private:
  double normal() { return std::normal_distribution<double>()(generator_); }
  double uniform() { return std::uniform_real_distribution<double>()(generator_); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (int64_t c = 0; c < options_.classes; ++c) {
      names.push_back(options_.long_names
                          ? "a class with the <long> & \"quoted\" name number " + std::to_string(c)
                          : std::to_string(c));
    }
    return names;
  }

  apps::ReportedRun run(int64_t seed) {
    apps::ReportedRun run;
    run.name = "seed " + std::to_string(seed);
    run.status = "finished";
    run.seconds = 321.4 + static_cast<double>(seed);
    run.steps = options_.evaluations * 100;
    const double luck = 1 + 0.1 * normal();
    for (int64_t i = 1; i <= options_.evaluations; ++i) {
      const auto at = static_cast<double>(i);
      const double fall = std::exp(-at / 8);
      train::Evaluation e{.epoch = i, .step = 100 * i};
      e.supervised = 2 * fall + 0.002;
      for (int64_t l = 0; options_.levels > 0 && l <= options_.levels; ++l) {
        e.denoising.push_back(l == 0 ? 0.005 + 0.05 * fall : 0.9 / static_cast<double>(l) + fall);
      }
      e.total = 5 + 20 * fall;
      e.validation_error = luck * (2.0 + 30 * fall + 0.1 * uniform());
      if (options_.test) e.test_error = luck * (1.8 + 30 * fall + 0.1 * uniform());
      run.evaluations.push_back(std::move(e));
    }
    if (options_.test && !run.evaluations.empty()) {
      run.rows = options_.rows;
      run.wrong = std::llround(*run.evaluations.back().test_error / 100 *
                               static_cast<double>(options_.rows));
    }
    return run;
  }

  // Mostly right; a row's neighbouring classes are likely mistakes.
  torch::Tensor probabilities() {
    const auto classes = options_.classes;
    labels_ = torch::empty({options_.rows}, torch::kInt64);
    auto logits = torch::zeros({options_.rows, classes});
    auto* values = logits.data_ptr<float>();
    for (int64_t row = 0; row < options_.rows; ++row) {
      const auto label = static_cast<int64_t>(uniform() * static_cast<double>(classes));
      labels_[row] = label;
      const double strength = 6.5 + 2.5 * normal();
      for (int64_t c = 0; c < classes; ++c) {
        values[row * classes + c] = static_cast<float>(
            (c == label ? strength : 0) + (c == (label + 3) % classes ? 1.5 : 0) + 0.7 * normal());
      }
    }
    return torch::softmax(logits, 1);
  }

  torch::Tensor image(int64_t channels) {
    auto pixels = torch::zeros({channels, 28, 28});
    const double x = 8 + 12 * uniform(), y = 8 + 12 * uniform();
    for (int64_t i = 0; i < 28; ++i) {
      for (int64_t j = 0; j < 28; ++j) {
        const double r = std::hypot(static_cast<double>(i) - y, static_cast<double>(j) - x);
        pixels.select(1, i).select(1, j).fill_(std::exp(-0.15 * (r - 5) * (r - 5)));
      }
    }
    return pixels;
  }

  void add_unsure(apps::ReportData& data) {
    for (int64_t i = 0; i < 12; ++i) {
      apps::UnsureRow row;
      row.name = options_.columns > 0 ? "field-" + std::to_string(1000 + 37 * i)
                                      : "row " + std::to_string(1000 + 37 * i);
      if (i % 4 != 3) row.label = data.classes[static_cast<size_t>(i % options_.classes)];
      row.top = {{data.classes[static_cast<size_t>(i % options_.classes)], 0.38},
                 {data.classes[static_cast<size_t>((i + 1) % options_.classes)], 0.35}};
      if (options_.columns == 0) row.picture = image(1).mul(255).to(torch::kUInt8);
      data.unsure.push_back(std::move(row));
    }
  }

  void add_curves(apps::ReportData& data) {
    for (int64_t level = 0; level <= options_.levels; ++level) {
      for (int64_t unit = 0; unit < 3; ++unit) {
        apps::DenoisingCurve curve{
            .level = level, .unit = 17 * unit, .slope = 0.05 + 0.4 * static_cast<double>(unit)};
        curve.low = -2.4;
        curve.high = 2.6;
        for (int i = 0; i < 17; ++i) curve.z_noisy.push_back(curve.low + 5.0 * i / 16);
        for (int i = 0; i < 12; ++i) curve.means_at.push_back(curve.low + 5.0 * (i + 0.5) / 12);
        for (int band = 0; band < 5; ++band) {
          const double u = -1.4 + 0.7 * band;
          curve.u.push_back(u);
          const auto g = [&](double z) { return curve.slope * z + 0.8 * std::tanh(u); };
          std::vector<double> line, means;
          for (const double z : curve.z_noisy) line.push_back(g(z));
          for (const double z : curve.means_at) {
            means.push_back(std::abs(z - u) < 1.5 ? g(z) + 0.05 * normal() : std::nan(""));
          }
          curve.z_hat.push_back(line);
          curve.means.push_back(means);
        }
        for (int i = 0; i < 30; ++i) {
          const double z = (i - 14.5) / 6;
          curve.noisy_shares.push_back(std::exp(-z * z / 2) / 15);
          curve.clean_shares.push_back(std::exp(-z * z) / 10);
        }
        data.denoising.push_back(std::move(curve));
      }
    }
  }

  void add_top_layer(apps::ReportData& data) {
    apps::TopLayerPicture picture{.share = 0.43, .level = 3, .units = 300};
    const double turn = 2 * std::acos(-1.0) / static_cast<double>(options_.classes);
    for (int64_t i = 0; i < 1500; ++i) {
      const auto c = i % options_.classes;
      const double angle = turn * static_cast<double>(c);
      picture.x.push_back(6 * std::cos(angle) + normal());
      picture.y.push_back(5 * std::sin(angle) + normal());
      picture.classes.push_back(c);
      picture.labeled.push_back(i % 15 == 0);
    }
    data.top_layer = std::move(picture);
  }

  void add_reconstructions(apps::ReportData& data) {
    std::vector<torch::Tensor> images;
    for (int i = 0; i < 10; ++i) images.push_back(image(1));
    const auto clean = torch::stack(images);
    torch::manual_seed(3);
    data.reconstructions =
        apps::Reconstructions{(clean + 0.3 * torch::randn(clean.sizes())).clamp(0, 1),
                              (clean + 0.05 * torch::randn(clean.sizes())).clamp(0, 1), clean};
  }

  void add_data(apps::ReportData& data) const {
    auto& rows = data.data;
    rows.source = options_.columns > 0 ? "crops.csv" : "a folder of images";
    rows.inputs = options_.columns > 0 ? "" : "Images of 28 x 28 pixels with 1 channel";
    rows.labeled_rows = 200;
    rows.unlabeled_rows = 9800;
    rows.validation_rows = 20;
    rows.test_rows = options_.test ? options_.rows : 0;
    for (int64_t c = 0; c < options_.classes; ++c) rows.class_counts.push_back(1 + 5 * (c % 7));
    for (int64_t i = 0; i < options_.columns; ++i) {
      apps::ReportedColumn column;
      column.name = i == 0   ? "id"
                    : i == 1 ? "a_column_with_a_rather_long_name_and_no_spaces_in_it"
                             : "x" + std::to_string(i);
      column.kind = i % 5 == 4 ? "text" : "number";
      column.missing = i % 3 == 0 ? 12 * i : 0;
      column.dropped = i == 0 ? "its texts differ in nearly every row" : "";
      column.inputs = i == 0 ? 0 : i % 5 == 4 ? 7 : 1;
      column.summary = i % 5 == 4 ? "7 levels" : "mean 3.12, standard deviation 0.441";
      rows.columns.push_back(std::move(column));
    }
  }

  SampleOptions options_;
  std::mt19937 generator_;
  torch::Tensor labels_;
};

/// The invented report of these options.
inline apps::ReportData sample_report(SampleOptions options = {}) {
  return SampleReport(options).make();
}

/// Reports that a page has to look right with, by name.
inline std::vector<std::pair<std::string, apps::ReportData>> sample_reports() {
  return {
      {"images", sample_report()},
      {"table", sample_report({.classes = 3, .rows = 400, .columns = 12, .long_names = true})},
      {"many", sample_report({.classes = 100,
                              .rows = 5000,
                              .seeds = 40,
                              .evaluations = 300,
                              .levels = 7,
                              .columns = 500,
                              .long_names = true})},
      {"thousand", sample_report({.classes = 1000, .rows = 10000, .evaluations = 3})},
      {"two",
       sample_report(
           {.classes = 2, .rows = 30, .seeds = 3, .evaluations = 2, .levels = 1, .columns = 2})},
      {"baseline", sample_report({.evaluations = 10, .levels = 0, .learned = false})},
      {"validation", sample_report({.classes = 3, .evaluations = 20, .columns = 4, .test = false})},
      {"once", sample_report({.evaluations = 1, .test = false})},
  };
}

}  // namespace ladder::testing
