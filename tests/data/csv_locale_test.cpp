// Apart from csv_test.cpp, since ctest counts a file as skipped if one of its cases was.

#include <tests/support/catch.h>
#include <tests/support/temporary_folder.h>

#include <clocale>
#include <cstdlib>
#include <string>

#include "ladder/data/csv.h"

namespace {

// Puts the locale of the process back.
struct LocaleOfTest {
  std::string before = std::setlocale(LC_ALL, nullptr);
  ~LocaleOfTest() { std::setlocale(LC_ALL, before.c_str()); }
};

bool set_decimal_comma() {
  for (const char* name : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "fr_FR", "es_ES.UTF-8",
                           "it_IT.UTF-8", "nl_NL.UTF-8", "pt_BR.UTF-8", "ru_RU.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) == nullptr) continue;
    if (std::string(std::localeconv()->decimal_point) == ",") return true;
  }
  return false;
}

}  // namespace

TEST_CASE("read_csv reads points in a locale whose numbers have commas", "[data]") {
  const ladder::testing::TemporaryFolder folder;
  const auto path =
      ladder::testing::write_file(folder / "t.csv", "a,b\n1.5,0.1234567890123456789\n");
  ladder::data::Table table;
  double by_locale = 0;
  {
    const LocaleOfTest locale;
    if (!set_decimal_comma()) {
      LADDER_SKIP("no locale with a decimal comma (Debian: locales-all)");
    }
    by_locale = std::strtod("1.5", nullptr);
    table = ladder::data::read_csv(path);
  }
  CHECK(by_locale == 1);
  CHECK(table.column("a").numbers[0] == 1.5);
  CHECK(table.column("b").numbers[0] == 0.1234567890123456789);
}
