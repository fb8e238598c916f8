#include "ladder/data/label_notes.h"

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ladder/data/class_labels.h"
#include "tests/data/label_column.h"
#include "tests/support/catch.h"

namespace {

namespace data = ladder::data;
using ladder::testing::number_labels;
using ladder::testing::row_list;
using ladder::testing::text_labels;

}  // namespace

TEST_CASE("Label notes: they say what is merged, left out or looks odd", "[data]") {
  using Notes = std::vector<std::string>;
  const auto notes = [](const data::Column& column) {
    return data::label_notes(column, data::class_labels(column).classes);
  };
  CHECK(notes(text_labels({"yes", "no", "", "yes"})) == Notes{});
  CHECK(notes(text_labels({"0", "-1", "1", "-1.0"})) == Notes{"-1 means no label: 2 rows"});
  CHECK(notes(number_labels({0, 1, -1})) == Notes{"-1 means no label: 1 row"});
  CHECK(notes(text_labels({"1.1", "1.10", "1.2"})) ==
        Notes{"labels '1.1' and '1.10' are one class"});
  CHECK(notes(text_labels({"OK", "ok", "bad"})) ==
        Notes{"classes 'OK' and 'ok' differ only in case or spaces"});
  CHECK(notes(text_labels({"GR\u00DCN", "gr\u00FCn", "rot"})) ==
        Notes{"classes 'GR\u00DCN' and 'gr\u00FCn' differ only in case or spaces"});
  CHECK(notes(text_labels({"\u00D6lfleck", "O\u0308lfleck", "gut"})) ==
        Notes{"classes 'O\u0308lfleck' and '\u00D6lfleck' differ only in the encoding of their "
              "accents"});
  CHECK(notes(text_labels({"\u00D6l", "O\u0308l", "\u00F6l", "gut"})) ==
        Notes{"classes 'O\u0308l', '\u00D6l' and '\u00F6l' differ only in case, spaces or the "
              "encoding of their accents"});
  CHECK(notes(text_labels({"ok", "-"})) ==
        Notes{"class '-' looks like a missing value (--missing '-' if it means no label)"});
  CHECK(notes(text_labels({"-1,0", "0,5", "1,5"})) ==
        Notes{"class '-1,0' looks like a missing value (--missing '-1\\,0' if it means no label)"});
  auto column = text_labels({"ok", "bad"});
  column.missing_texts = {{"NA", 3}, {"None", 1}};
  CHECK(notes(column) == Notes{"missing values mean no label: 3 rows 'NA', 1 row 'None'"});
}

TEST_CASE("Label notes: they name classes of a single labeled row", "[data]") {
  using Notes = std::vector<std::string>;
  const std::vector<std::string> classes = {"gut", "Lagerschaden", "Lagerschden", "Riss"};
  std::vector<int64_t> labels(60, -1);
  for (size_t row = 0; row < 18; ++row) labels[row] = static_cast<int64_t>(row % 2);
  labels[20] = 2;
  labels[40] = 3;
  CHECK(data::single_row_notes(row_list(labels), classes) ==
        Notes{"class 'Lagerschden' has a single labeled row (did you mean 'Lagerschaden'?)",
              "class 'Riss' has a single labeled row"});
  // With fewer labels a single one is usual.
  labels[0] = -1;
  CHECK(data::single_row_notes(row_list(labels), classes) == Notes{});
  CHECK(data::single_row_notes(row_list({0, 1, -1}), {"a", "b"}) == Notes{});

  std::vector<std::string> many = {"a"};
  std::vector<int64_t> of_many(40, 0);
  for (int64_t c = 1; c <= 5; ++c) {
    many.push_back(std::to_string(c) + "xyz");
    of_many.push_back(c);
  }
  const auto notes = data::single_row_notes(row_list(of_many), many);
  REQUIRE(notes.size() == 4);
  CHECK(notes[2] == "class '3xyz' has a single labeled row");
  CHECK(notes[3] == "2 more classes have a single labeled row");
}
