#include "apps/support/command_line.h"

#include <tests/support/catch.h>

#include <string>
#include <vector>

using namespace ladder::apps;

namespace {

// A program with a flag of each kind.
struct Flags {
  Flags() {
    line.heading("Numbers");
    line.integer("epochs", "passes over the rows", epochs, 1, 1000);
    line.number("noise,noise-std", "STD", "noise standard deviation", noise);
    line.positive_number("lr,learning-rate", "RATE", "learning rate", rate);
    line.flag("lambda", "X,X,...", "weights of the denoising costs",
              [this](const std::string& flag, const std::string& text) {
                lambda = parse_numbers(flag, text, 0);
              });
    line.choice("table", "which table", table, {"mnist", "cifar"});
    line.flag("out", "DIR", "folder", [this](const std::string& flag, const std::string& text) {
      out = parse_folder(flag, text).string();
    });
    line.toggle("quiet", "print nothing", quiet);
    line.toggle("help", "print this and exit", help);
    line.footer(
        "The end of the text, which is long enough to be broken into two lines behind "
        "eighty columns.");
  }

  // "" or the sentence of the error.
  std::string take(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "program");
    std::vector<const char*> argv;
    for (const auto& argument : arguments) argv.push_back(argument.c_str());
    try {
      line.parse(static_cast<int>(argv.size()), argv.data());
      line.apply();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  }

  int64_t epochs = 150;
  double noise = 0.3, rate = 0.002;
  std::vector<double> lambda;
  std::string table = "mnist", out;
  bool quiet = false, help = false;
  CommandLine line{"program", "Do something with flags."};
};

std::string error_of(const std::vector<std::string>& arguments) { return Flags().take(arguments); }

}  // namespace

TEST_CASE("CommandLine takes values behind a space and behind =, under either name", "[cli]") {
  Flags flags;
  REQUIRE(flags
              .take({"--epochs", "3", "--noise-std=.5", "--learning-rate", "1e-3", "--lambda=1,2",
                     "--quiet", "--table", "cifar"})
              .empty());
  CHECK(flags.epochs == 3);
  CHECK(flags.noise == 0.5);
  CHECK(flags.rate == 0.001);
  CHECK(flags.lambda == std::vector<double>{1, 2});
  CHECK(flags.quiet);
  CHECK(flags.table == "cifar");
  CHECK(flags.line.given("noise"));
  CHECK(flags.line.given("noise-std"));
  CHECK_FALSE(flags.line.given("out"));
}

TEST_CASE("CommandLine takes a negative value and one that begins with two dashes behind =",
          "[cli]") {
  CHECK(error_of({"--noise", "-1"}) == "expected a number of at least 0 for --noise but got '-1'.");
  Flags flags;
  REQUIRE(flags.take({"--out=--strange"}).empty());
  CHECK(flags.out == "--strange");
}

TEST_CASE("CommandLine: a flag given twice takes the last value and checks every one", "[cli]") {
  Flags flags;
  REQUIRE(flags.take({"--epochs=2", "--lr=1", "--epochs", "5", "--learning-rate=3"}).empty());
  CHECK(flags.epochs == 5);
  CHECK(flags.rate == 3);
  CHECK(error_of({"--epochs=x", "--epochs=2"}) ==
        "expected a whole number from 1 to 1000 for --epochs but got 'x'.");
}

TEST_CASE("CommandLine ignores no argument", "[cli]") {
  CHECK(error_of({"--"}) == "expected a flag (--name) but got '--'.");
  CHECK(error_of({"--", "--epochs=2"}) == "expected a flag (--name) but got '--'.");
  CHECK(error_of({"--quiet", "--", "--epochs=2"}) == "expected a flag (--name) but got '--'.");
  CHECK(error_of({"epochs=2"}) == "expected a flag (--name) but got 'epochs=2'.");
  CHECK(error_of({"-epochs=2"}) == "expected a flag (--name) but got '-epochs=2'.");
  CHECK(error_of({"-e"}) == "expected a flag (--name) but got '-e'.");
  CHECK(error_of({""}) == "expected a flag (--name) but got ''.");
  CHECK(error_of({"-"}) == "expected a flag (--name) but got '-'.");
  CHECK(error_of({"--=2"}) == "expected a flag (--name) but got '--=2'.");
  CHECK(error_of({"--quiet", "yes"}) == "expected a flag (--name) but got 'yes'.");
  CHECK(error_of({"--quiet=yes"}) == "expected --quiet without a value but got '--quiet=yes'.");
  CHECK(error_of({"--quiet="}) == "expected --quiet without a value but got '--quiet='.");
  CHECK(error_of({"--epochs", "2", "3"}) == "expected a flag (--name) but got '3'.");
  CHECK(error_of({"--Epochs=2"}) ==
        "expected a known flag but got --Epochs (did you mean --epochs?).");
  CHECK(error_of({"--epoch", "2"}) ==
        "expected a known flag but got --epoch (did you mean --epochs?).");
  CHECK(error_of({"--epochs"}) == "expected a value after --epochs but got none (N).");
  CHECK(error_of({"--epochs", "--quiet"}) == "expected a value after --epochs but got none (N).");
  CHECK(error_of({"--epochs="}) ==
        "expected a whole number from 1 to 1000 for --epochs but got ''.");
  CHECK(error_of({"--out", ""}) == "expected a folder for --out but got ''.");
  CHECK(error_of({"--out", "  "}) == "expected a folder for --out but got '  '.");
}

TEST_CASE("CommandLine refuses line ends inside an argument", "[cli]") {
  const std::string hint =
      " (does a script have the line ends of Windows? sed -i 's/\\r$//' SCRIPT mends it).";
  CHECK(error_of({"--epochs=2\r"}) ==
        "expected an argument without line ends but got '--epochs=2\\r'" + hint);
  CHECK(error_of({"--epochs", "2\r"}) ==
        "expected an argument without line ends but got '2\\r'" + hint);
  CHECK(error_of({"--quiet\r"}) ==
        "expected an argument without line ends but got '--quiet\\r'" + hint);
  CHECK(error_of({"\r"}) == "expected an argument without line ends but got '\\r'" + hint);
  CHECK(error_of({"--epochs=2\n"}) ==
        "expected an argument without line ends but got '--epochs=2\\n'.");
  CHECK(error_of({"--out=a\nb"}) ==
        "expected an argument without line ends but got '--out=a\\nb'.");
  CHECK(error_of({"--out=a\x01"}) ==
        "expected an argument without line ends but got '--out=a\\x01'.");
}

TEST_CASE("CommandLine takes spaces around numbers and words", "[cli]") {
  Flags flags;
  REQUIRE(flags
              .take({"--epochs= 7 ", "--lambda", " 1000, 10,\t.1 ", "--table", "cifar ", "--lr",
                     " 1e-3"})
              .empty());
  CHECK(flags.epochs == 7);
  CHECK(flags.lambda == std::vector<double>{1000, 10, 0.1});
  CHECK(flags.table == "cifar");
  CHECK(flags.rate == 0.001);
  CHECK(parse_integers("--layers", "500, 250, 10", 1) == std::vector<int64_t>{500, 250, 10});
  CHECK(parse_seeds("--seeds", "1 .. 3, 7") == std::vector<uint64_t>{1, 2, 3, 7});
  CHECK(parse_words("a, b ,c") == std::vector<std::string>{"a", "b", "c"});
  // A backslash keeps a comma, and nothing else.
  CHECK(parse_words("p\\, bar, \\N,-999\\,0") ==
        std::vector<std::string>{"p, bar", "\\N", "-999,0"});
  CHECK(parse_words(word_text("p, bar")) == std::vector<std::string>{"p, bar"});
}

TEST_CASE("CommandLine refuses numbers that are none, too large or too small", "[cli]") {
  for (const auto* text : {"2x", "2 x", "2,", "1e3", "0x10", "2.0", "", "99999999999999999999",
                           "-99999999999999999999", "1001", "0"}) {
    INFO(text);
    CHECK(error_of({"--epochs", text}) ==
          "expected a whole number from 1 to 1000 for --epochs but got '" + std::string(text) +
              "'.");
  }
  for (const auto* text : {"0", "-1", "-0", "0.0", "1e-400", "nan", "fast", ".1.2", "1,5", "1_0"}) {
    INFO(text);
    CHECK(error_of({"--lr", text}) ==
          "expected a number above 0 for --lr but got '" + std::string(text) + "'.");
  }
  for (const auto* text : {"1e400", "inf"}) {
    CHECK(error_of({"--lr", text}) ==
          "expected a finite number above 0 for --lr but got '" + std::string(text) + "'.");
  }
  CHECK(error_of({"--learning-rate=0"}) ==
        "expected a number above 0 for --learning-rate but got '0'.");
  for (const auto* text : {"1000 10 .1", "1,,2", "1,2,", ",", "1;2", "1,x", "1,-2"}) {
    INFO(text);
    CHECK(error_of({"--lambda", text}) ==
          "expected numbers of at least 0 separated by commas for --lambda but got '" +
              std::string(text) + "'.");
  }
  CHECK(error_of({"--lambda", "1,inf"}) ==
        "expected finite numbers of at least 0 separated by commas for --lambda but got '1,inf'.");
}

TEST_CASE("CommandLine says that the shell leaves ~ as it is behind =", "[cli]") {
  CHECK(error_of({"--out=~/runs"}) ==
        "expected a folder for --out but got '~/runs' (the shell expands ~ at the start of a word "
        "only: --out ~/runs).");
}

TEST_CASE("CommandLine's help names every flag within 80 columns", "[cli]") {
  const auto help = Flags().line.help();
  CHECK(help == R"(Do something with flags.

  program [FLAGS]

Numbers:
  --epochs N           passes over the rows
  --noise STD          noise standard deviation (also --noise-std)
  --lr RATE            learning rate (also --learning-rate)
  --lambda X,X,...     weights of the denoising costs
  --table mnist|cifar  which table (mnist)
  --out DIR            folder
  --quiet              print nothing
  --help               print this and exit

The end of the text, which is long enough to be broken into two lines behind
eighty columns.
)");
}
