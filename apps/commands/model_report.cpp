#include "apps/commands/model_report.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <ladder/train/metrics.h>

#include <algorithm>
#include <iterator>

#include "apps/commands/data_flags.h"
#include "apps/support/output.h"
#include "apps/support/report/measure.h"
#include "apps/support/report/report_html.h"
#include "apps/support/report/run_report.h"

namespace ladder::apps {
namespace {

// Rows that pictures of the network are drawn from.
constexpr int64_t kMaxShownRows = 5000;

std::vector<std::string> row_names(const data::Samples& samples, const torch::Tensor& rows) {
  if (!samples.names.empty()) return samples.names;
  std::vector<std::string> names;
  for (int64_t i = 0; i < rows.numel(); ++i) {
    names.push_back(fmt::format("row {}", rows[i].item<int64_t>() + 1));
  }
  return names;
}

// Evenly spread rows, at most `most`.
torch::Tensor spread(int64_t rows, int64_t most) {
  if (rows <= most) return at::arange(rows);
  return (at::arange(most, at::kDouble) * (static_cast<double>(rows) / static_cast<double>(most)))
      .to(at::kLong);
}

ReportedData reported_data(const ReportInputs& inputs, const torch::Tensor& labels) {
  const auto& model = inputs.classifier->model();
  const auto& fit = *inputs.fit;
  ReportedData data{.source = inputs.rows->source,
                    .labeled_rows = fit.labeled,
                    .unlabeled_rows = fit.rows - fit.labeled,
                    .validation_rows = fit.config.validation,
                    .test_rows = inputs.test == nullptr ? 0 : inputs.test->rows()};
  const auto counts = at::bincount(labels.masked_select(labels.ge(0)), {},
                                   static_cast<int64_t>(model.classes.size()));
  for (int64_t c = 0; c < counts.numel(); ++c) {
    data.class_counts.push_back(counts[c].item<int64_t>());
  }
  if (model.features) {
    auto except = inputs.ignored;
    except.push_back(inputs.label);
    data.columns = reported_columns(*inputs.rows->table, *model.features, except);
    data.inputs = counted(model.features->width(), "input") + " from " +
                  counted(std::ssize(model.features->columns), "column");
  } else {
    const auto& image = *model.images;
    data.inputs = fmt::format("images of {} x {} pixels, {} channel{}", image.height, image.width,
                              image.channels, image.channels == 1 ? "" : "s");
  }
  for (const auto* samples : {inputs.rows, inputs.test}) {
    if (samples == nullptr) continue;
    data.unread.insert(data.unread.end(), samples->problems.begin(), samples->problems.end());
    data.notes.insert(data.notes.end(), samples->notes.begin(), samples->notes.end());
  }
  return data;
}

}  // namespace

void write_model_report(const std::filesystem::path& path, const ReportInputs& inputs) {
  auto data = report_of_runs(inputs.folders);
  const auto& classifier = *inputs.classifier;
  const auto& model = classifier.model();
  const auto labels = labels_for(classifier, *inputs.rows, inputs.label);
  auto net = model.net;
  const auto type = net->parameters().front().scalar_type();
  const auto inputs_of = [&](const data::Samples& rows) {
    return classifier.inputs(rows).to(type);
  };

  data.title = data::source_name(inputs.rows->source);
  data.classes = model.classes;
  data.data = reported_data(inputs, labels);
  data.commands = {inputs.command};
  data.lambda = inputs.fit->config.network.lambda;

  const auto& measured = inputs.test != nullptr ? *inputs.test : *inputs.rows;
  if (measured.names.empty()) data.rows_from = data::source_name(measured.source);
  const auto& held_back = inputs.fit->held_back;
  if (inputs.test != nullptr) {
    const auto all = at::arange(inputs.test->rows());
    measure_predictions(data, net,
                        {.inputs = inputs_of(*inputs.test),
                         .labels = labels_for(classifier, *inputs.test, inputs.label),
                         .names = row_names(*inputs.test, all),
                         .pictures = inputs.test->images});
  } else if (held_back.labels.defined()) {
    const auto some = some_rows(*inputs.rows, held_back.rows);
    const auto names = row_names(some, held_back.rows);
    if (held_back.method == "held-back rows") {
      measure_predictions(data, net,
                          {.inputs = inputs_of(some),
                           .labels = held_back.labels,
                           .names = names,
                           .pictures = some.images});
    } else {  // folds: other networks predicted these rows
      data.metrics = held_back_metrics(held_back);
      if (held_back.probabilities.defined()) {
        data.unsure = unsure_rows(held_back.probabilities, held_back.labels, model.classes, names,
                                  some.images);
      }
    }
  }

  const auto shown = spread(inputs.rows->rows(), kMaxShownRows);
  std::vector<bool> labeled;
  for (int64_t i = 0; i < shown.numel(); ++i) {
    labeled.push_back(labels[shown[i].item<int64_t>()].item<int64_t>() >= 0);
  }
  measure_learned(data, net, inputs_of(some_rows(*inputs.rows, shown)), labeled, model.images);
  write_text(path, report_html(data));
}

}  // namespace ladder::apps
