#include "apps/support/piece_flags.h"

#include <fmt/format.h>
#include <ladder/runs/pieces.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <variant>

namespace ladder::apps {
namespace {

void add_piece_flag(CommandLine& line, const runs::PieceSetting& setting, double& target) {
  const auto name = runs::flag_of(setting).substr(2);
  if (setting.above_zero) {
    line.positive_number(name, setting.value, setting.help, target);
  } else {
    line.number(name, setting.value, setting.help, target, 0, setting.most);
  }
}

void add_piece_flag(CommandLine& line, const runs::PieceSetting& setting, bool& target) {
  line.toggle(runs::flag_of(setting).substr(2), setting.help, target);
}

// " after a layer": where a weight of --lambda has to be above 0.
std::string place_in_lambda(int64_t level) {
  if (level == 0) return "";
  return level == 1 ? " after a layer" : fmt::format(" at level {} or above", level);
}

void check_needs(const runs::Piece& piece, const models::NetworkOptions& network) {
  for (const auto& need : piece.needs) {
    if (!has_cost_from(network, need.level)) {
      throw UsageError(fmt::format(
          "expected a weight above 0 in --lambda{} for {} but got none ({}).",
          place_in_lambda(need.level), runs::flag_of(piece.settings.front()), need.why));
    }
  }
}

void check_values(const runs::Piece& piece, const models::RecipePieces& values) {
  const models::RecipePieces usual;
  const auto& first = piece.settings.front();
  for (const auto& setting : piece.settings) {
    const auto value = runs::value_of(setting, values);
    if (&setting != &first && value != runs::value_of(setting, usual) &&
        !runs::is_on(piece, values)) {
      throw UsageError(fmt::format("expected {} above 0 with {} {} but got none.",
                                   runs::flag_of(first), runs::flag_of(setting), value));
    }
    if (!setting.why_below.empty() && value >= setting.most) {
      throw UsageError(fmt::format("expected {} below {} but got {} ({}).", runs::flag_of(setting),
                                   setting.most, value, setting.why_below));
    }
  }
}

}  // namespace

void add_piece_flags(CommandLine& line, models::RecipePieces& pieces) {
  for (const auto& piece : runs::pieces()) {
    for (const auto& setting : piece.settings) {
      std::visit([&](auto field) { add_piece_flag(line, setting, pieces.*field); }, setting.field);
    }
  }
}

bool has_cost_from(const models::NetworkOptions& network, int64_t level) {
  const auto& lambda = network.lambda;
  return std::any_of(lambda.begin() + std::min<int64_t>(level, std::ssize(lambda)), lambda.end(),
                     [](double weight) { return weight > 0; });
}

void check_pieces(const runs::RunConfig& config) {
  for (const auto& piece : runs::pieces()) {
    if (runs::is_on(piece, config.pieces)) check_needs(piece, config.network);
  }
  for (const auto& piece : runs::pieces()) check_values(piece, config.pieces);
}

}  // namespace ladder::apps
