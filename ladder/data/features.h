/// How the columns of a table become the inputs of a network.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/data/table.h"

namespace ladder::data {

/// What is done with one column.
///
/// A number x becomes one input, and a second one if `indicator` is set:
///
///     z = (x - center) / scale               0 if x is missing
///     y = z                                  for |z| <= kTailFrom
///     y = sign(z) (kTailFrom + log(1 + |z| - kTailFrom))   beyond: heavy tails are tamed
///     i = kLevelHeight if x is missing, else 0
///
/// A text becomes one input per level (kLevelHeight for its own level, else 0), one more for rare
/// and unseen levels if `other` is set, and one more for missing texts if `indicator` is set.
/// Spaces and tabs around a text are ignored. If all texts are truth values (true, True, TRUE, 1;
/// false, ...), all spellings of a value are one level.
///
/// Mean and standard deviation are measured three times, the second and third time over values
/// clipped to 3 standard deviations around the last mean, so that a few huge values do not flatten
/// all others.
struct Feature {
  std::string name = {};
  ColumnKind kind = ColumnKind::kNumber;
  std::string dropped = {};  ///< reason why the column is not used, such as "constant"; "" if used

  double center = 0;       ///< kNumber: mean
  double scale = 1;        ///< kNumber: standard deviation, above 0
  bool indicator = false;  ///< training rows have missing values

  std::vector<std::string> levels = {};  ///< kText: levels with an input each
  bool other = false;                    ///< kText: an input for rare and unseen levels
  /// What is worth saying about the inputs, such as "84 texts, 50 inputs"; "" if nothing is. It
  /// goes with the table, not with the model.
  std::string note = {};

  /// Return the number of inputs.
  int64_t width() const;
};

/// |z| from which a standardised number grows by its logarithm.
inline constexpr double kTailFrom = 3;

/// Value of an input that marks a level or a missing value. With 2, an input that is set in half of
/// the rows has a standard deviation of 1, like a number.
inline constexpr float kLevelHeight = 2;

/// The columns that a network reads, in the order of its inputs.
struct Features {
  std::vector<Feature> columns = {};
  /// Further missing values, those of the table (Table::missing). They are missing in every table
  /// that is applied; CsvOptions::missing takes them where the cells of a file decide its types.
  std::vector<std::string> missing = {};
  /// Decimal mark that the reader of the table was given (Table::decimal_given), 0 if none:
  /// CsvOptions::usual_decimal takes it.
  char decimal = 0;
  /// Number of columns of the array that was measured, also of those that are left out; 0 where
  /// columns have names (Table::array_columns). An array with more or fewer columns is refused: one
  /// more in front moves all others.
  int64_t array_columns = 0;
  /// The last column of that array was the label, which arrays may lack.
  bool array_ends_with_label = false;
  /// Used columns of whole numbers, some of them above 999: CsvOptions::whole_numbers takes them.
  std::vector<std::string> whole_numbers = {};

  /// Say which column is the label: arrays may lack it if it is the last one.
  void leave_out_label(const std::string& label);

  /// Return whether an array of `found` columns has those of the array that was measured. True
  /// where either has names, which is 0.
  bool takes_array(int64_t found) const;

  /// Return the number of inputs.
  int64_t width() const;
  /// Return whether every used column is a number.
  bool all_numbers() const;

  /// Return inputs [rows, width()], float32. Columns are found by name, in any order; others are
  /// ignored.
  ///
  /// A table need not come from the reader that the features were measured with. Missing are the
  /// usual texts of CSV files (csv.h) and `missing`, unless they are levels; texts that spell
  /// numbers or truth values (1 and 0) are read where numbers are expected; and truth values are
  /// found among levels in another spelling: "True" is "true", "TRUE" or 1. So are whole numbers
  /// and days: the number 2 and the texts "2" and "2.0" are one where only one of them is a level,
  /// and "2020-01-31" is "2020-01-31 00:00:00"; "01" and "1" are two texts, as are "1.10" and
  /// "1.1". A number of `missing` stands for its rounded value where a column was in single
  /// precision (Column::single) and the reader has not marked it (Table::missing).
  ///
  /// Errors: a column that is not there (the nearest name is given); another text where a number is
  /// expected (with its row); an infinite number.
  torch::Tensor apply(const Table& table) const;
};

struct FeatureOptions {
  int64_t max_levels = 50;    ///< max inputs of a text column; rarer levels share one more
  double min_share = 0.0005;  ///< min share of the rows for a level to get its own input
};

/// Measure features on all rows of `table`, labeled and unlabeled, without the columns `except`
/// (label, identifiers). Columns with one value are dropped, and identifiers: texts that differ in
/// nearly every row, and whole numbers that count rows or time. These rise in every row, or fall in
/// every row; 20 rows or more and 90 % of them have a value; and the mean step is at most a tenth
/// of the number of values, in units of the greatest common divisor of the steps. (Of measured
/// values so near to each other some would be equal, so rows sorted by a quantity are no counter.)
/// Where a table has rows of several sources (Table::parts), the rows of each are looked at by
/// themselves.
///
/// Other numbers that rise or fall in every row are used, with a note, and so are texts that are
/// dates.
///
/// Errors: no column that varies; two columns of one name; an infinite number; a column of
/// sequences, whose cells list numbers ("1;2", "[1, 2, 3]") of different counts; an exception that
/// is no column (the nearest name is given).
Features fit_features(const Table& table, const std::vector<std::string>& except,
                      const FeatureOptions& options = {});

/// Values of a column that are unlike those that features were measured on.
struct StrangeValues {
  std::string name = {};
  ColumnKind kind = ColumnKind::kNumber;
  int64_t rows = 0;
  int64_t present = 0;          ///< values that are not missing
  bool may_be_missing = false;  ///< training rows had missing values
  /// kNumber: values kFarFrom standard deviations or more away from the mean. kText: texts that are
  /// no level: unseen ones and, if `rare`, rare ones.
  int64_t strange = 0;
  bool rare = false;  ///< kText: texts that were rare in training are counted, too
  /// kNumber: the least and the greatest value, and the least |z| of a value.
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();
  double min_z = std::numeric_limits<double>::infinity();

  /// Add the values of further rows of the same column.
  void add(const StrangeValues& more);
  /// Return whether all values are one number, and values as in training would not be, but for a
  /// chance of one in a million: a sensor that is stuck. Of n values with the mean and variance of
  /// training, all are that far from the mean with a chance of at most (1 + z^2)^-n [Cantelli].
  bool is_stuck() const;
};

/// |z| from which a number is strange.
inline constexpr double kFarFrom = 8;

/// Count strange values in each used column of a table that features can be applied to, in the
/// order of the features. Errors: those of `Features::apply`.
std::vector<StrangeValues> strange_values(const Features& features, const Table& table);

/// Return the names of columns of whole numbers, some of them above 999, without `except`.
std::vector<std::string> whole_number_columns(const Table& table,
                                              const std::vector<std::string>& except = {});

/// Return features as a JSON array, one object a column, and read that again; it holds the columns
/// only, without notes. Error: another text.
std::string to_json(const Features& features);
Features features_from_json(std::string_view json);

}  // namespace ladder::data
