/// All that a report of training runs shows, as plain values.
#pragma once

#include <ATen/core/Tensor.h>
#include <ladder/train/evaluation.h>
#include <ladder/train/metrics.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ladder::apps {

/// One run, of one seed.
struct ReportedRun {
  std::string name = {};  ///< such as "seed 1"; unique
  std::vector<train::Evaluation> evaluations = {};
  std::string status = {};             ///< as train::to_string has it, "" if unknown
  std::optional<int64_t> rows = {};    ///< rows that the outcome is measured on
  std::optional<int64_t> wrong = {};   ///< rows among them with a wrong prediction
  std::optional<double> seconds = {};  ///< of training steps
  std::optional<int64_t> steps = {};   ///< of training
  std::optional<double> steps_per_second = {};
};

/// Errors that the outcome is set beside, in percent. They hold for the rows of the first run.
struct ReportBaselines {
  std::optional<double> labels_alone = {};  ///< same network, labeled rows only
  std::string labels_alone_note = {};       ///< how it was measured: a phrase, without a full stop
  /// Rows of the only run that either network alone gets wrong: this one, and that of the labels.
  std::optional<std::pair<int64_t, int64_t>> wrong_alone = {};
  std::optional<double> majority = {};  ///< always the most frequent class
  std::string majority_class = {};
  std::optional<double> published = {};
  std::string published_note = {};  ///< where it was published
};

/// A row whose most probable class is least probable.
struct UnsureRow {
  std::string name = {};   ///< identifier, file name or "row 12"
  std::string label = {};  ///< label that the row has; empty without one
  std::vector<std::pair<std::string, double>> top = {};  ///< most probable classes, descending
  at::Tensor picture = {};  ///< uint8 [1 or 3, H, W]; undefined for rows of a table
};

/// What one unit's denoising function does: z^ over z~, for a few fixed values of u.
struct DenoisingCurve {
  int64_t level = 0;
  int64_t unit = 0;
  double slope = 0;  ///< mean of dz^/dz~ over the rows
  double low = 0;    ///< range of z~ that is drawn
  double high = 1;
  std::vector<double> z_noisy = {};             ///< values of z~, ascending
  std::vector<double> u = {};                   ///< fixed values of u, ascending
  std::vector<std::vector<double>> z_hat = {};  ///< [values of u][values of z~]
  /// Mean of the clean z over the rows with nearby z~ and u, NaN for too few: [values of u][n].
  std::vector<std::vector<double>> means = {};
  std::vector<double> means_at = {};      ///< z~ of the means, [n]
  std::vector<double> noisy_shares = {};  ///< distribution of z~ over equal parts
  std::vector<double> clean_shares = {};  ///< distribution of the clean z
};

/// Images as the network saw them, as it cleaned them, and as they are: [N, C, H, W] in 0..1.
struct Reconstructions {
  at::Tensor noisy = {};
  at::Tensor reconstructed = {};
  at::Tensor clean = {};
};

/// Rows in the two directions in which the top hidden layer varies most.
struct TopLayerPicture {
  std::vector<double> x = {}, y = {};
  std::vector<int64_t> classes = {};  ///< predicted class of each row
  std::vector<bool> labeled = {};     ///< the row's label was used in training
  double share = 0;                   ///< of the variance, that both directions show
  int64_t level = 0;                  ///< level of the layer
  int64_t units = 0;                  ///< units of the layer
};

/// A column of a table and what became of it.
struct ReportedColumn {
  std::string name = {};
  std::string kind = {};     ///< "number" or "text"
  int64_t missing = 0;       ///< rows without a value
  int64_t inputs = 0;        ///< inputs of the network that the column became
  std::string dropped = {};  ///< why it is not used; empty if it is
  std::string summary = {};  ///< such as "mean 3.1, standard deviation 0.2" or "12 levels"
};

struct ReportedData {
  std::string source = {};     ///< files or folders
  int64_t labeled_rows = 0;    ///< rows whose label training uses
  int64_t unlabeled_rows = 0;  ///< rows without one, or whose label is not used
  bool taught = false;         ///< other runs gave labels to some of these
  int64_t validation_rows = 0;
  int64_t test_rows = 0;
  std::vector<int64_t> class_counts = {};  ///< labeled rows of each class; empty if unknown
  std::vector<ReportedColumn> columns = {};
  std::string inputs = {};              ///< in words, such as "images of 28 x 28 pixels, 1 channel"
  std::vector<std::string> notes = {};  ///< of the readers, without a full stop
  std::vector<std::string> unread = {};  ///< a sentence for each file that could not be read
};

/// A value with its name, as text.
using ReportedSetting = std::pair<std::string, std::string>;

/// Everything that `report_html` shows. What is empty is left out of the report, with a sentence
/// where a reader would look for it.
struct ReportData {
  std::string title = {};
  std::string subtitle = {};            ///< what was trained on what, in a line
  std::string date = {};                ///< of the report, as text
  std::string rows_name = "test rows";  ///< rows that outcome and metrics are measured on, plural
  /// Whether training never saw these rows. False adds a warning to the outcome.
  bool rows_unseen = true;
  /// Whether each run is measured on other rows. True leaves out baselines beside their mean.
  bool own_rows = false;

  std::vector<ReportedRun> runs = {};  ///< one a seed, at least one
  ReportBaselines baselines = {};
  std::vector<double> lambda = {};       ///< weights of the denoising costs of levels 0..L
  std::vector<std::string> levels = {};  ///< layers of levels 0..L in words; may be empty

  std::vector<std::string> classes = {};                     ///< class names
  std::optional<train::ClassificationMetrics> metrics = {};  ///< of the first run
  std::vector<UnsureRow> unsure = {};                        ///< least sure first
  std::string rows_from = {};  ///< file whose rows names such as "row 12" count; may be empty
  std::vector<DenoisingCurve> denoising = {};  ///< from level 0 up
  std::optional<Reconstructions> reconstructions = {};
  std::optional<TopLayerPicture> top_layer = {};

  ReportedData data = {};
  std::vector<ReportedSetting> settings = {};
  std::vector<ReportedSetting> environment = {};
  std::vector<std::string> commands = {};  ///< lines that repeat the run in a shell
  std::vector<std::string> warnings = {};  ///< one sentence each
};

}  // namespace ladder::apps
