#include <ladder/nn/random_init.h>
#include <ladder/runs/pieces.h>
#include <tests/support/catch.h>
#include <torch/torch.h>

#include <cstddef>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <type_traits>
#include <variant>

using namespace ladder;
using ladder::runs::Piece;
using ladder::runs::PieceSetting;

namespace {

// A value of any field.
struct AnyField {
  template <class T>
  constexpr operator T() const {
    return {};
  }
};

// The number of fields of an aggregate.
template <class T, class... Fields>
constexpr size_t count_of_fields() {
  if constexpr (requires { T{Fields{}..., AnyField{}}; }) {
    return count_of_fields<T, Fields..., AnyField>();
  } else {
    return sizeof...(Fields);
  }
}

// A small network with a cost at each level, and rows, which pieces are made from.
struct PiecePlace {
  PiecePlace() {
    config.network.input_shape = {6};
    config.network.layers = {models::Dense{5}, models::Dense{10}};
    config.network.lambda = {10, 1, 0.1};
    config.pieces = {};
    net = models::network(runs::network_of(config));
    reset_parameters(*net, 1);
    const auto inputs = torch::arange(20).remainder(2).view({20, 1}).expand({20, 6});
    rows = {.inputs = inputs.to(torch::kFloat), .labels = torch::zeros({20}, torch::kLong)};
    parts.guess = [] { return torch::zeros({20}, torch::kLong); };
  }

  std::map<std::string, std::string> settings_of(const Piece& piece) const {
    return piece.make({config, net, rows, parts})->settings();
  }
  std::map<std::string, std::string> objective_settings() const {
    return runs::objective_of(config, net, rows, parts)->settings();
  }

  runs::RunConfig config = runs::config_of(models::find_recipe("mnist-100-full"));
  Ladder net{nullptr};
  data::SemiData rows;
  runs::ObjectiveParts parts;
};

bool is_switch(const PieceSetting& setting) {
  return std::holds_alternative<bool models::RecipePieces::*>(setting.field);
}

void set_value(const PieceSetting& setting, models::RecipePieces& values, double value) {
  std::visit(
      [&](auto field) {
        auto& target = values.*field;
        target = static_cast<std::remove_reference_t<decltype(target)>>(value);
      },
      setting.field);
}

}  // namespace

TEST_CASE("Pieces: the table has every field of RecipePieces once", "[runs]") {
  std::set<std::string> names;
  models::RecipePieces values;
  size_t settings = 0;
  for (const auto& piece : runs::pieces()) {
    REQUIRE_FALSE(piece.settings.empty());
    for (const auto& setting : piece.settings) {
      INFO(setting.name);
      CHECK(names.insert(setting.name).second);
      // A second entry of the same field would find it changed.
      const auto usual = runs::value_of(setting, models::RecipePieces());
      CHECK(runs::value_of(setting, values) == usual);
      set_value(setting, values, usual == 1 ? 0 : 1);
      ++settings;
    }
  }
  CHECK(settings == count_of_fields<models::RecipePieces>());
}

TEST_CASE("Pieces: each is off by default, and help names the defaults of its other settings",
          "[runs]") {
  const models::RecipePieces usual;
  for (const auto& piece : runs::pieces()) {
    CHECK_FALSE(runs::is_on(piece, usual));
    for (const auto& setting : piece.settings) {
      INFO(setting.name << ": " << setting.help);
      CHECK(std::regex_match(setting.name, std::regex("[a-z]+(_[a-z]+)*")));
      CHECK(setting.value.empty() == is_switch(setting));
      CHECK_FALSE(setting.help.empty());
      std::smatch named;
      const bool names_one = std::regex_search(setting.help, named, std::regex("\\(([0-9.]+)\\)$"));
      REQUIRE(names_one == (&setting != &piece.settings.front()));
      if (names_one) CHECK(std::stod(named[1].str()) == runs::value_of(setting, usual));
    }
  }
  CHECK(runs::flag_of({.name = "imsat_epochs"}) == "--imsat-epochs");
}

TEST_CASE("Pieces: each is made from its own settings, and from no others", "[runs]") {
  PiecePlace place;
  auto& values = place.config.pieces;
  for (const auto& piece : runs::pieces()) {
    INFO(piece.settings.front().name);
    values = {};
    CHECK_FALSE(place.objective_settings().contains("pieces"));
    const auto& first = piece.settings.front();
    set_value(first, values, is_switch(first) ? 1 : 0.5);
    CHECK(runs::is_on(piece, values));
    const auto made = piece.make({place.config, place.net, place.rows, place.parts});
    REQUIRE(made);
    CHECK(place.objective_settings().at("pieces") == made->name());
    const auto before = place.settings_of(piece);
    for (const auto& other : runs::pieces()) {
      for (const auto& setting : other.settings) {
        if (is_switch(setting)) continue;
        INFO("changed: " << setting.name);
        const auto kept = values;
        const auto value = runs::value_of(setting, values);
        set_value(setting, values, value == 0 ? 0.25 : value / 2);
        CHECK((place.settings_of(piece) == before) == (&other != &piece));
        values = kept;
      }
    }
  }
}

TEST_CASE("Pieces: an objective has them in the order of the table", "[runs]") {
  PiecePlace place;
  std::string names;
  for (const auto& piece : runs::pieces()) {
    const auto& first = piece.settings.front();
    set_value(first, place.config.pieces, is_switch(first) ? 1 : 0.5);
    const auto made = piece.make({place.config, place.net, place.rows, place.parts});
    names += (names.empty() ? "" : ", ") + made->name();
  }
  CHECK(place.objective_settings().at("pieces") == names);
}
