#include "ladder/train/lost_clusters.h"

#include <torch/torch.h>

#include <string>

#include "ladder/core/random.h"
#include "ladder/data/neighbours.h"
#include "ladder/ops/noise.h"
#include "ladder/train/internal/k_means.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;
using namespace ladder::testing;
using train::clusters_lost_by_features;
using train::lost_clusters;

namespace {

// `rows` rows around (x, y), at most `spread` away in each direction.
torch::Tensor blob(int64_t rows, double x, double y, double spread, uint64_t seed) {
  const auto noise =
      ops::standard_normal(NoiseDraw{seed, 0, {}}, rows, 2, torch::kFloat32).clamp(-1, 1);
  return noise * spread + torch::tensor({x, y}, torch::kFloat32);
}

// 400 rows of class 0, 100 rows that lie among them but are taken for class 1, and 400 rows of
// class 1 elsewhere. In the features of the network the 100 rows are a group of their own.
struct Lost {
  torch::Tensor inputs =
      torch::cat({blob(400, 0, 0, 1, 1), blob(100, 0, 0, 1, 2), blob(400, 10, 0, 1, 3)});
  torch::Tensor features =
      torch::cat({blob(400, 0, 0, 1, 4), blob(100, 40, 0, 1, 5), blob(400, 20, 0, 1, 6)});
  torch::Tensor classes =
      torch::cat({torch::zeros({400}, torch::kInt64), torch::ones({500}, torch::kInt64)});
  torch::Tensor neighbours = data::nearest_neighbours(inputs);
  torch::Tensor right =
      torch::cat({torch::full({400}, -1, torch::kInt64), torch::zeros({100}, torch::kInt64),
                  torch::full({400}, -1, torch::kInt64)});
};

}  // namespace

TEST_CASE("lost_clusters finds the cluster whose neighbours are of another class", "[train]") {
  const Lost rows;
  const auto found = lost_clusters({rows.features}, rows.classes, rows.neighbours, {.groups = 4});
  require_equal(found, rows.right);
  // By several features, of which one does not tell the cluster apart.
  const auto blind = blob(900, 0, 0, 1, 7);
  require_equal(lost_clusters({blind, rows.features}, rows.classes, rows.neighbours, {.groups = 4}),
                rows.right);
}

TEST_CASE("lost_clusters leaves right predictions as they are", "[train]") {
  const Lost rows;
  const auto right = rows.classes * rows.right.ne(0);
  const auto none = torch::full({900}, -1, torch::kInt64);
  require_equal(lost_clusters({rows.features}, right, rows.neighbours, {.groups = 4}), none);
  // Groups below the least size are left out, and so is a class of fewer rows than two of them.
  require_equal(
      lost_clusters({rows.features}, rows.classes, rows.neighbours, {.groups = 4, .min_rows = 101}),
      none);
  require_equal(
      lost_clusters({rows.features}, rows.classes, rows.neighbours, {.groups = 4, .min_rows = 300}),
      none);
}

TEST_CASE("lost_clusters finds a small cluster by its neighbours in features as well", "[train]") {
  // 190 rows of class 0, 400 of class 1, and 100 rows that are taken for class 1. By their inputs
  // 46 of these lie among class 0 and 54 among class 1; by their features they are a group that
  // touches class 0. Class 0 is too small for two groups.
  const auto inputs = torch::cat(
      {blob(190, 0, 0, 1, 1), blob(46, 0, 0, 1, 2), blob(54, 10, 0, 1, 3), blob(400, 10, 0, 1, 4)});
  const auto features =
      torch::cat({blob(190, 0, 0, 1, 5), blob(100, 1, 0, 1, 6), blob(400, 20, 0, 1, 7)});
  const auto classes =
      torch::cat({torch::zeros({190}, torch::kInt64), torch::ones({500}, torch::kInt64)});
  const auto neighbours = data::nearest_neighbours(inputs);
  // After the move the 54 rows lie in another class than their neighbours, more than max_cut
  // allows.
  const auto find = [&](int64_t small_groups) {
    return lost_clusters(
        {features}, classes, neighbours,
        {.groups = 2, .min_rows = 100, .small_groups = small_groups, .max_cut = 100});
  };
  const auto none = torch::full({690}, -1, torch::kInt64);
  auto right = none.clone();
  right.narrow(0, 190, 100).zero_();
  require_equal(find(2), right);
  require_equal(find(0), none);
}

TEST_CASE("lost_clusters takes any number of classes", "[train]") {
  // A table of votes for each row and class would take 900 x 10^6 x 8 bytes.
  const Lost rows;
  require_equal(
      lost_clusters({rows.features}, rows.classes * 1'000'000, rows.neighbours, {.groups = 4}),
      rows.right);
}

TEST_CASE("lost_clusters counts hubs less", "[train]") {
  // 500 rows of class 0, and 500 of class 1 of which the last 100 are a group by their features. Of
  // the ten neighbours of a row of the group six are among the last 25 rows of class 0, each of
  // which is a neighbour of 24 rows, and four are in class 1, each a neighbour of 11: as counted
  // 6 : 4, and with hubs discounted 6 / 24 : 4 / 11.
  const auto ring = [](int64_t rows, int64_t of) {
    return (torch::arange(rows).unsqueeze(1) + torch::arange(1, 11)) % of;
  };
  const auto from = torch::arange(100).unsqueeze(1);
  const auto hubs = 475 + (6 * from + torch::arange(6)) % 25;
  const auto own = 500 + (4 * from + torch::arange(4)) % 400;
  const auto neighbours =
      torch::cat({ring(475, 475), ring(25, 475), 500 + ring(400, 400), torch::cat({hubs, own}, 1)});
  const auto features =
      torch::cat({blob(500, 0, 0, 1, 1), blob(400, 20, 0, 1, 2), blob(100, 40, 0, 1, 3)});
  const auto classes =
      torch::cat({torch::zeros({500}, torch::kInt64), torch::ones({500}, torch::kInt64)});
  const auto none = torch::full({1000}, -1, torch::kInt64);
  auto group = none.clone();
  group.narrow(0, 900, 100).zero_();
  const auto find = [&](bool discount_hubs) {
    return lost_clusters({features}, classes, neighbours,
                         {.groups = 2, .discount_hubs = discount_hubs});
  };
  require_equal(find(false), group);
  require_equal(find(true), none);
}

TEST_CASE("cluster_moves counts the rows of each pair of classes", "[train]") {
  const auto classes = torch::tensor({2, 0, 2, 1, 2, 0}, torch::kInt64);
  const auto lost = torch::tensor({7, -1, 7, 0, 1, -1}, torch::kInt64);
  const auto moves = train::cluster_moves(classes, lost);
  REQUIRE(moves.size() == 3);
  const auto is = [&](size_t i, int64_t from, int64_t to, int64_t rows) {
    return moves[i].from == from && moves[i].to == to && moves[i].rows == rows;
  };
  CHECK(is(0, 1, 0, 1));
  CHECK(is(1, 2, 1, 1));
  CHECK(is(2, 2, 7, 2));
  CHECK(train::cluster_moves(classes, torch::full({6}, -1, torch::kInt64)).empty());
  const auto many = train::cluster_moves(classes * 1'000'000'000, lost);
  REQUIRE(many.size() == 3);
  CHECK((many[2].from == 2'000'000'000 && many[2].to == 7 && many[2].rows == 2));
  CHECK(error_text([&] { train::cluster_moves(classes, lost.narrow(0, 0, 5)); }) ==
        "cluster_moves: expected int64 classes and lost [rows] but got [6] and [5].");
}

TEST_CASE("lost_clusters moves no row where neighbours say little about classes", "[train]") {
  // As above, and 400 rows far from both whose classes are mixed: 400 x 10 / 1300 x 10 pairs of
  // neighbours, half of them in different classes, are some 15 % of all.
  const Lost rows;
  const auto mixed = torch::arange(400, torch::kInt64) % 2;
  const auto inputs = torch::cat({rows.inputs, blob(400, 50, 50, 1, 8)});
  const auto features = torch::cat({rows.features, blob(400, -50, 50, 1, 9)});
  const auto classes = torch::cat({rows.classes, mixed});
  const auto neighbours = data::nearest_neighbours(inputs);
  const auto none = torch::full({1300}, -1, torch::kInt64);
  require_equal(lost_clusters({features}, classes, neighbours, {.groups = 4}), none);
  const auto found = lost_clusters({features}, classes, neighbours, {.groups = 4, .max_cut = 100});
  require_equal(found.narrow(0, 0, 900), rows.right);
}

TEST_CASE("clusters_lost_by_features finds a cluster that is nearest to itself", "[train]") {
  // 100 rows that are taken for class 1, whose 400 rows lie far away; all nearest neighbours of the
  // 100 are among themselves, and the nearest others are the 400 of class 0.
  const auto features =
      torch::cat({blob(400, 0, 0, 1, 1), blob(100, 5, 0, 1, 2), blob(400, 20, 0, 1, 3)});
  const auto classes =
      torch::cat({torch::zeros({400}, torch::kInt64), torch::ones({500}, torch::kInt64)});
  const auto none = torch::full({900}, -1, torch::kInt64);
  auto right = none.clone();
  right.narrow(0, 400, 100).zero_();
  require_equal(clusters_lost_by_features({features}, classes, {.groups = 2}), right);
  require_equal(clusters_lost_by_features({features}, classes, {.groups = 2, .pool = 0}), right);
  require_equal(clusters_lost_by_features({features}, classes, {.groups = 2, .pool = 300}), right);
  require_equal(lost_clusters({features}, classes, data::nearest_neighbours(features),
                              {.groups = 2, .margin = 1}),
                none);
  // Half of the splits are by features that do not tell the cluster apart.
  const auto blind = blob(900, 0, 0, 1, 7);
  require_equal(clusters_lost_by_features({features, blind}, classes, {.groups = 2}), right);
  // Right predictions stay, and so do groups below the least size.
  require_equal(clusters_lost_by_features({features}, classes * right.ne(0), {.groups = 2}), none);
  require_equal(clusters_lost_by_features({features}, classes, {.groups = 2, .min_rows = 101}),
                none);
}

TEST_CASE("clusters_lost_by_features counts the nearest rows outside of the group", "[train]") {
  // Next to a group of 30 rows of class 1 lie 20 rows of class 0. The other 70 rows of class 1 lie
  // farther away.
  const auto features = torch::cat({blob(400, 100, 0, 1, 1), blob(20, 0, 3, 0.1, 2),
                                    blob(30, 0, 0, 1, 3), blob(70, 0, -20, 1, 4)});
  const auto classes =
      torch::cat({torch::zeros({420}, torch::kInt64), torch::ones({100}, torch::kInt64)});
  const auto find = [&](int64_t outside) {
    return clusters_lost_by_features({features}, classes,
                                     {.groups = 2, .outside = outside, .min_rows = 25})
        .narrow(0, 420, 30);
  };
  require_equal(find(20), torch::zeros({30}, torch::kInt64));
  require_equal(find(39), torch::zeros({30}, torch::kInt64));
  require_equal(find(41), torch::full({30}, -1, torch::kInt64));
}

TEST_CASE("clusters_lost_by_features says what it expects", "[train]") {
  const Lost rows;
  const auto error = [](const std::vector<torch::Tensor>& features, const torch::Tensor& classes,
                        const train::FeatureClusterOptions& options = {}) {
    return error_text([&] { clusters_lost_by_features(features, classes, options); });
  };
  const std::string name = "clusters_lost_by_features: expected ";
  CHECK(error({rows.features}, rows.classes.to(torch::kFloat)) ==
        name + "int64 classes [rows], from 0, but got [900].");
  CHECK(error({}, rows.classes) == name + "features but got none.");
  CHECK(error({rows.features.narrow(0, 0, 5)}, rows.classes) ==
        name + "floating features [900, units] but got [5, 2].");
  CHECK(error({rows.features}, rows.classes, {.groups = 1}) ==
        name + "at least 2 groups but got 1.");
  CHECK(error({rows.features}, rows.classes, {.splits = 0}) ==
        name + "at least 1 split but got 0.");
  CHECK(error({rows.features}, rows.classes, {.outside = 101}) ==
        name + "1 to 100 neighbours outside a group but got 101.");
  CHECK(error({rows.features}, rows.classes, {.min_rows = 0}) ==
        name + "min_rows of at least 1 but got 0.");
  for (const int64_t pool : {-1, 1}) {
    CHECK(error({rows.features}, rows.classes, {.pool = pool}) ==
          name + "a pool of at least 2 rows, or 0 for all, but got " + std::to_string(pool) + ".");
  }
  CHECK(error({rows.features.narrow(0, 0, 1)}, rows.classes.narrow(0, 0, 1)) ==
        name + "at least 2 rows but got 1.");
}

TEST_CASE("lost_clusters says what it expects", "[train]") {
  const Lost rows;
  const auto error = [&](std::vector<torch::Tensor> features, torch::Tensor classes,
                         torch::Tensor neighbours, train::LostClusterOptions options = {}) {
    return error_text([&] { lost_clusters(features, classes, neighbours, options); });
  };
  const auto& [inputs, features, classes, neighbours, right] = rows;
  CHECK(error({features}, classes.to(torch::kFloat), neighbours) ==
        "lost_clusters: expected int64 classes [rows], from 0, but got [900].");
  CHECK(error({}, classes, neighbours) == "lost_clusters: expected features but got none.");
  CHECK(error({features.narrow(0, 0, 5)}, classes, neighbours) ==
        "lost_clusters: expected floating features [900, units] but got [5, 2].");
  CHECK(error({features}, classes, {}) ==
        "lost_clusters: expected int64 neighbours [900, k] but got an undefined tensor.");
  CHECK(error({features}, classes, neighbours + 1) ==
        "lost_clusters: expected neighbours in 0..899 but got 900.");
  CHECK(error({features}, classes, neighbours, {.groups = 1}) ==
        "lost_clusters: expected at least 2 groups but got 1.");
  CHECK(error({features}, classes, neighbours, {.small_groups = 1}) ==
        "lost_clusters: expected at least 2 small_groups, or 0 for none, but got 1.");
  CHECK(error({features}, classes, neighbours, {.splits = 0}) ==
        "lost_clusters: expected at least 1 split but got 0.");
  CHECK(error({features}, classes, neighbours, {.margin = 0.5}) ==
        "lost_clusters: expected a margin of at least 1 but got 0.5.");
  CHECK(error({features}, classes, neighbours, {.max_cut = -1}) ==
        "lost_clusters: expected max_cut of at least 0 but got -1.");
  CHECK(error({features}, classes, neighbours, {.min_rows = 0}) ==
        "lost_clusters: expected min_rows of at least 1 but got 0.");
}

TEST_CASE("k_means finds blobs that lie apart", "[train]") {
  const auto x = torch::cat({blob(50, 0, 0, 1, 1), blob(50, 20, 0, 1, 2), blob(50, 0, 20, 1, 3)});
  // Of ten starts some have a row of each blob; their groups are the blobs.
  int64_t whole = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const auto group = train::k_means(x, 3, seed);
    REQUIRE(group.min().item<int64_t>() >= 0);
    REQUIRE(group.max().item<int64_t>() <= 2);
    require_equal(train::k_means(x, 3, seed), group);
    bool same = true;
    for (int64_t i = 0; i < 3; ++i) {
      const auto part = group.narrow(0, 50 * i, 50);
      same = same && part.eq(part[0]).all().item<bool>();
    }
    const auto ends = group.index_select(0, torch::tensor({0, 50, 100}));
    if (same && std::get<0>(at::_unique(ends)).numel() == 3) ++whole;
  }
  CHECK(whole >= 1);
}
