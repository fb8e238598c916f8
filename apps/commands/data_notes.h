/// What commands say about data beside their results, on the standard error.
#pragma once

#include <ladder/classifier.h>
#include <ladder/data/features.h>
#include <ladder/data/samples.h>
#include <ladder/data/table.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ladder::apps {

/// Print each as a line "note: ..."; of more than five the first five, and "note: and 3 more" or
/// "note: 3 `rest`".
void print_notes(const std::vector<std::string>& notes, const std::string& rest = {});

/// Return a note that rows of `source` without any value are left out; nothing for 0.
std::vector<std::string> empty_rows_note(int64_t rows, const std::string& source);

/// Return notes of labeled rows whose inputs are those of another labeled row, and of test rows
/// whose inputs are those of a labeled row, where they are 1 % or more: an error on copies of rows
/// that are trained on is too low. Both are data::row_hashes; `test` may be undefined.
std::vector<std::string> equal_rows_notes(const torch::Tensor& labeled, const torch::Tensor& test);

/// Return what features say about their columns: "when: 84 texts, 50 inputs".
std::vector<std::string> feature_notes(const data::Features& features);

/// Return a note of columns of `more` that the rows before lack: they are not used. `used`: names
/// of the columns before. Empty if there are none.
std::vector<std::string> unused_columns_note(const std::vector<std::string>& used,
                                             const data::Table& more);

/// Counts values that are unlike those of training, over tables that are read part by part.
class StrangeRows {
 public:
  void add(const data::Features& features, const data::Table& table);

  /// Return a note for each column with unseen texts, or with numbers that are mostly far from
  /// those of training. Texts that were rare in training have no input of their own either: where
  /// there are such, a column is named if they are more than half.
  std::vector<std::string> notes() const;

 private:
  std::vector<data::StrangeValues> columns_;
};

/// Print a note if a model was trained on these rows, all of them and no others; nothing for
/// shards.
void note_training_rows(const Classifier& classifier, const data::Samples& samples);

/// Print the notes of StrangeRows on a table in memory; nothing for images and shards.
void note_strange_rows(const Classifier& classifier, const data::Samples& samples);

}  // namespace ladder::apps
