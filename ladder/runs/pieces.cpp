#include "ladder/runs/pieces.h"

#include <ladder/core/random.h>
#include <ladder/train/pieces/border_repair.h>
#include <ladder/train/pieces/cluster_repair.h>
#include <ladder/train/pieces/early_labels.h>
#include <ladder/train/pieces/feature_labels.h>
#include <ladder/train/pieces/feature_repair.h>
#include <ladder/train/pieces/imsat.h>
#include <ladder/train/pieces/lambda_ramp.h>
#include <ladder/train/pieces/mutual_information.h>
#include <ladder/train/pieces/neighbour_agreement.h>
#include <ladder/train/pieces/pseudo_labels.h>
#include <ladder/train/pieces/row_projection.h>
#include <ladder/train/pieces/weight_average.h>

#include <algorithm>

namespace ladder::runs {
namespace {

using PieceValues = models::RecipePieces;

PieceSetting weight_setting(const char* name, double PieceValues::*field, const char* help) {
  return {.name = name, .value = "WEIGHT", .help = help, .field = field};
}

// Of a cost of unlabeled rows, which a network without a denoising cost does not read.
std::vector<PieceNeed> unlabeled_rows() {
  return {{.level = 0, .why = "a baseline reads no unlabeled rows"}};
}

std::vector<Piece> piece_table() {
  return {
      {.settings = {{.name = "project_rows",
                     .help = "keep each row of the weights at its initial norm",
                     .field = &PieceValues::project_rows}},
       .make = [](const PieceParts& from) { return train::row_projection(*from.net); }},

      {.settings = {weight_setting("pseudo_labels", &PieceValues::pseudo_labels,
                                   "weight of a cost that uses confident predictions as labels")},
       .needs = {{.level = 1,
                  .why = "it needs predictions of clean rows, which run only for such a weight"}},
       .make =
           [](const PieceParts& from) {
             const auto& config = from.config;
             return train::pseudo_labels(
                 {.weight = config.pieces.pseudo_labels, .device = config.device});
           }},

      {.settings = {weight_setting("mutual_information", &PieceValues::mutual_information,
                                   "weight of a cost that makes predictions confident and classes "
                                   "equally frequent, in "
                                   "the first 10 epochs"),
                    {.name = "spread",
                     .value = "FACTOR",
                     .help =
                         "in --mutual-information, weight of equally frequent classes relative to "
                         "confident predictions (1)",
                     .field = &PieceValues::spread}},
       .needs = unlabeled_rows(),
       .make =
           [](const PieceParts& from) {
             const auto& config = from.config;
             return train::mutual_information({.weight = config.pieces.mutual_information,
                                               .spread = config.pieces.spread,
                                               .device = config.device});
           }},

      {.settings = {weight_setting(
           "neighbours", &PieceValues::neighbours,
           "weight of a cost that gives neighbouring rows the same class, in epochs 5 "
           "to 10")},
       .needs = unlabeled_rows(),
       .make =
           [](const PieceParts& from) {
             const auto& config = from.config;
             return train::neighbour_agreement(
                 {.weight = config.pieces.neighbours, .device = config.device});
           }},

      {.settings = {weight_setting(
           "repair", &PieceValues::repair,
           "weight of a cost that moves clusters into the class of their neighbours, "
           "at .6 and .75 of the run")},
       .needs = unlabeled_rows(),
       .make =
           [](const PieceParts& from) {
             return train::cluster_repair(from.net, from.rows.inputs, from.rows.unlabeled,
                                          {.weight = from.config.pieces.repair,
                                           .near = from.parts.near,
                                           .device = from.config.device,
                                           .on_look = from.parts.on_look});
           }},

      {.settings = {weight_setting(
           "border_repair", &PieceValues::border_repair,
           "weight of a cost that moves the border between two classes to where it "
           "separates fewer neighbouring rows, at .1 and .2 of the run")},
       .needs = unlabeled_rows(),
       .make =
           [](const PieceParts& from) {
             return train::border_repair(from.net, from.rows.inputs, data::known_labels(from.rows),
                                         from.rows.unlabeled,
                                         {.weight = from.config.pieces.border_repair,
                                          .near = from.parts.near,
                                          .device = from.config.device,
                                          .on_look = from.parts.on_look});
           }},

      {.settings = {weight_setting(
           "feature_repair", &PieceValues::feature_repair,
           "weight of a cost that moves clusters into the class of the nearest other "
           "rows in feature space, at .9 of the run")},
       .needs = unlabeled_rows(),
       .make =
           [](const PieceParts& from) {
             return train::feature_repair(from.net, from.rows.inputs, from.rows.unlabeled,
                                          {.weight = from.config.pieces.feature_repair,
                                           .device = from.config.device,
                                           .on_look = from.parts.on_look});
           }},

      {.settings = {weight_setting(
           "feature_labels", &PieceValues::feature_labels,
           "weight of a cost that labels each row with the class of the nearest rows "
           "in feature space, in the last tenth of the run")},
       .needs = unlabeled_rows(),
       .make =
           [](const PieceParts& from) {
             return train::feature_labels(from.net, from.rows.inputs, from.rows.unlabeled,
                                          {.weight = from.config.pieces.feature_labels,
                                           .device = from.config.device,
                                           .on_look = from.parts.on_feature_look});
           }},

      {.settings = {weight_setting(
                        "imsat", &PieceValues::imsat,
                        "weight of a cost that finds classes as clusters: confident predictions, "
                        "equally frequent classes, and the same class all around a row"),
                    {.name = "imsat_epochs",
                     .value = "EPOCHS",
                     .help = "epochs after which --imsat is off (10)",
                     .field = &PieceValues::imsat_epochs,
                     .above_zero = true},
                    {.name = "imsat_radius",
                     .value = "FACTOR",
                     .help =
                         "radius around a row for --imsat, as a multiple of the distance to its "
                         "tenth neighbour (0.25)",
                     .field = &PieceValues::imsat_radius,
                     .above_zero = true}},
       .needs = unlabeled_rows(),
       .make =
           [](const PieceParts& from) {
             const auto& config = from.config;
             return train::imsat(from.net, from.rows.inputs, from.rows.unlabeled,
                                 {.weight = config.pieces.imsat,
                                  .radius = config.pieces.imsat_radius,
                                  .until = config.pieces.imsat_epochs,
                                  .seed = stream_seed(config.seed.value_or(1), "adversarial"),
                                  .near = from.parts.near,
                                  .device = config.device});
           }},

      {.settings = {weight_setting(
                        "graph_labels", &PieceValues::graph_labels,
                        "weight of a cost on labels spread from the labeled rows along a graph of "
                        "nearest neighbours, in the first epochs"),
                    {.name = "graph_label_epochs",
                     .value = "EPOCHS",
                     .help = "epochs after which --graph-labels is off (2)",
                     .field = &PieceValues::graph_label_epochs,
                     .above_zero = true}},
       .needs = unlabeled_rows(),
       .make =
           [](const PieceParts& from) {
             const auto& config = from.config;
             return train::early_labels(from.rows.inputs.size(0), from.parts.guess,
                                        {.weight = config.pieces.graph_labels,
                                         .until = config.pieces.graph_label_epochs,
                                         .device = config.device});
           }},

      {.settings =
           {{.name = "lambda_ramp",
             .value = "EPOCHS",
             .help = "epochs over which the denoising weights above the first layer rise from 0",
             .field = &PieceValues::lambda_ramp}},
       .needs = {{.level = 0, .why = "there is no denoising cost that could rise"},
                 {.level = train::LambdaRampOptions().from_level,
                  .why = "the ramp holds back only these levels"}},
       .make =
           [](const PieceParts& from) {
             return train::lambda_ramp(
                 {.epochs = from.config.pieces.lambda_ramp, .device = from.config.device});
           }},

      {.settings =
           {{.name = "average_weights",
             .value = "DECAY",
             .help =
                 "evaluate and save a running mean of the weights with this decay, such as 0.999",
             .field = &PieceValues::average_weights,
             .most = 1,
             .why_below = "0.999 averages the last 1000 steps"}},
       .make =
           [](const PieceParts& from) {
             return train::weight_average(*from.net, from.config.pieces.average_weights);
           }},
  };
}

}  // namespace

const std::vector<Piece>& pieces() {
  static const std::vector<Piece> kPieces = piece_table();
  return kPieces;
}

double value_of(const PieceSetting& setting, const models::RecipePieces& values) {
  return std::visit([&](auto field) { return static_cast<double>(values.*field); }, setting.field);
}

bool is_on(const Piece& piece, const models::RecipePieces& values) {
  return value_of(piece.settings.front(), values) > 0;
}

std::string flag_of(const PieceSetting& setting) {
  auto name = setting.name;
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

}  // namespace ladder::runs
