#include <ladder/io/internal/pickle_reader.h>
#include <ladder/io/internal/zip_reader.h>
#include <tests/support/catch.h>

#include <string>
#include <string_view>

using namespace std::string_view_literals;
using ladder::io::Pickle;
using ladder::io::pickle_noun;
using ladder::io::PickleValue;
using ladder::io::read_pickle;
using ladder::io::ReadFault;
using Kind = ladder::io::PickleValue::Kind;

namespace {

std::string fault(std::string_view bytes) {
  try {
    read_pickle(bytes);
  } catch (const ReadFault& error) {
    return error.what();
  }
  return "(no fault)";
}

}  // namespace

TEST_CASE("read_pickle reads integers of every width", "[io]") {
  const Pickle pickle = read_pickle(
      "\x80\x02](K\xFFM\x34\x12J\xFE\xFF\xFF\xFF\x8A\x00\x8A\x01\x80\x8A\x02\x00\x80"
      "\x8A\x08\x00\x00\x00\x00\x00\x00\x00\x80\x88\x89G\x3F\xF8\0\0\0\0\0\0Ne."sv);
  const PickleValue& list = pickle.value;
  REQUIRE(list.kind == Kind::kSequence);
  const std::vector<int64_t> expected = {255, 0x1234, -2, 0, -128, -32768, INT64_MIN, 1, 0};
  REQUIRE(list.items->size() == expected.size() + 2);
  for (size_t i = 0; i < expected.size(); ++i) CHECK((*list.items)[i].integer == expected[i]);
  CHECK(pickle_noun((*list.items)[7]) == "number");
  CHECK(pickle_noun((*list.items)[9]) == "number");
  CHECK(pickle_noun((*list.items)[10]) == "None");
}

TEST_CASE("read_pickle reads dictionaries of protocols 2 and 4", "[io]") {
  // pickle.dumps({"a": ("a", [1])}, protocol)
  for (const std::string_view bytes : {"\x80\x02}q\x00X\x01\x00\x00\x00"
                                       "aq\x01h\x01]q\x02K\x01"
                                       "a\x86q\x03s."sv,
                                       "\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94\x8C\x01"
                                       "a\x94h\x01]\x94K\x01"
                                       "a\x86\x94s."sv}) {
    const Pickle pickle = read_pickle(bytes);
    const PickleValue& value = pickle.value;
    REQUIRE(value.kind == Kind::kDictionary);
    REQUIRE(value.items->size() == 2);
    CHECK((*value.items)[0].text == "a");
    const PickleValue& pair = (*value.items)[1];
    REQUIRE(pair.items->size() == 2);
    CHECK((*pair.items)[0].text == "a");
    CHECK((*pair.items)[1].items->at(0).integer == 1);
  }
}

TEST_CASE("read_pickle leaves calls as data", "[io]") {
  // os.system("true"), which must not run.
  const Pickle called = read_pickle(
      "\x80\x02"
      "cos\nsystem\nX\x04\x00\x00\x00true\x85R."sv);
  const PickleValue& call = called.value;
  CHECK(call.kind == Kind::kCall);
  CHECK(call.text == "os.system");
  CHECK(call.items->at(0).text == "true");
  CHECK(pickle_noun(call) == "value of os.system");

  const Pickle state = read_pickle(
      "\x80\x02"
      "ccollections\nOrderedDict\n)RX\x01\x00\x00\x00kK\x07s}b."sv);
  const PickleValue& ordered = state.value;
  CHECK(ordered.kind == Kind::kDictionary);
  CHECK(ordered.items->at(1).integer == 7);
}

TEST_CASE("read_pickle reads tuples of any depth, and texts that are repeated, in linear memory",
          "[io]") {
  // A stack frame for each level, or a copy for each use, would not be survived.
  const std::string deep = "\x80\x02N" + std::string(1'000'000, '\x85') + ".";
  CHECK(read_pickle(deep).collections.size() == 1'000'000);
  const std::string text(1 << 20, 'a');
  std::string repeated =
      "\x80\x02X" + std::string("\x00\x00\x10\x00"sv) + text + "q" + std::string(1, '\0') + "(";
  for (int use = 0; use < 100'000; ++use) repeated += "h\0"sv;
  const Pickle pickle = read_pickle(repeated + "t.");
  CHECK(pickle.texts.size() == 1);
  CHECK(pickle.value.items->size() == 100'000);
  CHECK(pickle.value.items->back().text.size() == text.size());
}

TEST_CASE("read_pickle says what is wrong with a pickle", "[io]") {
  CHECK(fault("") == "its pickle ends early");
  CHECK(fault("\x80\x02K"sv) == "its pickle ends early");
  CHECK(fault("\x80\x02X\xFF\xFF\xFF\xFF"
              "a."sv) == "its pickle ends early");
  CHECK(fault("\x80\x02"
              "cos\nsystem"sv) == "its pickle ends early");
  CHECK(fault("\x80\x05."sv) == "its pickle has protocol 5");
  CHECK(fault("\x80\x02\xEE"sv) == "its pickle has the unknown code 238");
  CHECK(fault("\x80\x02\x8A\x09"sv) == "its pickle has an integer of more than 64 bits");
  CHECK(fault("\x80\x02"
              "cm\nC\n)\x81."sv) == "it holds an object of m.C");
  CHECK(fault("\x80\x02"
              "cm\nC\n)R}b."sv) == "it holds a value of m.C with a state of its own");
  for (const std::string_view damaged :
       {"\x80\x02."sv, "\x80\x02t."sv, "\x80\x02K\x01\x86."sv, "\x80\x02h\x03."sv,
        "\x80\x02K\x01K\x02"
        "a."sv,
        "\x80\x02}(K\x01u."sv, "\x80\x02K\x01Q."sv, "\x80\x02K\x01)R."sv,
        "\x80\x02K\x01K\x02(\x86t."sv}) {
    CAPTURE(damaged);
    CHECK(fault(damaged) == "its pickle is damaged");
  }
}
