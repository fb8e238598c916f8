/// The pieces that a recipe can name, as one table. What config.json holds of them, the flags of
/// the programs, the checks of these and the objective follow from it.
#pragma once

#include <ladder/data/sampler.h>
#include <ladder/models/recipes.h>
#include <ladder/nn/ladder.h>
#include <ladder/runs/run_config.h>
#include <ladder/train/objective.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace ladder::runs {

/// A number or a switch of models::RecipePieces.
using PieceField = std::variant<double models::RecipePieces::*, bool models::RecipePieces::*>;

/// A setting of a piece: a field of models::RecipePieces, a key of config.json and a flag.
struct PieceSetting {
  std::string name = {};   ///< key of config.json, "imsat_epochs"; for the flag see `flag_of`
  std::string value = {};  ///< stands for the value in help texts, "EPOCHS"; empty for a switch
  std::string help = {};   ///< a secondary setting names its default at the end: "... (10)"
  PieceField field = {};
  bool above_zero = false;  ///< true: the flag takes no 0
  double most = std::numeric_limits<double>::infinity();
  std::string why_below = {};  ///< hint where the value has to be below `most`; empty: it may be it
};

/// A denoising cost without which a piece has nothing to work on.
struct PieceNeed {
  int64_t level = 0;     ///< lowest level whose cost serves
  std::string why = {};  ///< hint of the error, such as "a baseline reads no unlabeled rows"
};

/// What a piece is made from.
struct PieceParts {
  const RunConfig& config;
  const Ladder& net;
  const data::SemiData& rows;
  const ObjectiveParts& parts;
};

/// A piece of ladder/train/pieces as a recipe, config.json and flags know it.
struct Piece {
  std::vector<PieceSetting> settings =
      {};  ///< the first one turns the piece on, the others shape it
  std::vector<PieceNeed> needs = {};
  std::shared_ptr<train::ObjectivePiece> (*make)(const PieceParts& from) = nullptr;
};

/// Return every piece, in the order of config.json, of help texts and of an objective. To add one,
/// add a field to models::RecipePieces and an entry to the table in `pieces.cpp`.
///
///     for (const auto& piece : runs::pieces()) std::cout << piece.settings.front().name << "\n";
const std::vector<Piece>& pieces();

/// The value of a setting; 0 or 1 for a switch.
double value_of(const PieceSetting& setting, const models::RecipePieces& values);
/// True if the first setting of `piece` is above 0.
bool is_on(const Piece& piece, const models::RecipePieces& values);
/// The flag of a setting: its name with dashes, "--imsat-epochs".
std::string flag_of(const PieceSetting& setting);

}  // namespace ladder::runs
