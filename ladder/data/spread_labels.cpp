#include "ladder/data/spread_labels.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/internal/threads.h"
#include "ladder/core/random.h"

namespace ladder::data {
namespace {

using Classes = std::vector<int64_t>;

constexpr int64_t kModes = 3;         // of a pair of classes
constexpr int64_t kColumns = 6;       // the constant mode, these, and two that make them precise
constexpr int64_t kModeSteps = 300;   // after which they are told apart
constexpr double kMoved = 0.3;        // part of the smaller class that may go to the other one
constexpr double kNewBorder = 0.2;    // from half of the rows, that it has in common with another
constexpr double kUnchanged = 2e-4;   // part of the rows that may still change at the end
constexpr int64_t kShareSteps = 100;  // of the search for b
constexpr int64_t kLooks = 2;         // for better borders, if classes trade places after the first

// Call f(begin, end) for blocks of rows, on several threads where there is work for them.
template <class F>
void for_blocks(int64_t rows, int64_t work_of_row, const F& f) {
  constexpr int64_t kRows = 1024;
  threads::for_tasks((rows + kRows - 1) / kRows,
                     [&](int64_t task) { f(task * kRows, std::min((task + 1) * kRows, rows)); },
                     rows * work_of_row);
}

struct Edge {
  int64_t to = 0;
  float weight = 0;
};

// Rows joined by symmetric weights.
class Graph {
 public:
  // `weights` [n, k] of the directed edges to `neighbours` [n, k].
  Graph(const at::Tensor& neighbours, const at::Tensor& weights) {
    const auto rows = neighbours.size(0), k = neighbours.size(1);
    const auto* to = neighbours.const_data_ptr<int64_t>();
    const auto* weight = weights.const_data_ptr<float>();
    begin_.assign(static_cast<size_t>(rows) + 1, 0);
    for (int64_t i = 0; i < rows; ++i) {
      begin_[static_cast<size_t>(i) + 1] += k;
      for (int64_t j = 0; j < k; ++j) ++begin_[static_cast<size_t>(to[i * k + j]) + 1];
    }
    std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
    edges_.resize(static_cast<size_t>(begin_.back()));
    auto next = begin_;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = i * k; j < (i + 1) * k; ++j) {
        const float half = weight[j] / 2;
        edges_[static_cast<size_t>(next[static_cast<size_t>(i)]++)] = {to[j], half};
        edges_[static_cast<size_t>(next[static_cast<size_t>(to[j])]++)] = {i, half};
      }
    }
    add_up();
  }

  // The graph of some of the rows, in ascending order, and what joins them.
  Graph part(const std::vector<int64_t>& rows) const {
    std::vector<int64_t> place(degree_.size(), -1);
    for (size_t i = 0; i < rows.size(); ++i) {
      place[static_cast<size_t>(rows[i])] = static_cast<int64_t>(i);
    }
    Graph out;
    out.begin_.push_back(0);
    for (const auto row : rows) {
      for_edges(row, [&](const Edge& edge) {
        const auto to = place[static_cast<size_t>(edge.to)];
        if (to >= 0) out.edges_.push_back({to, edge.weight});
      });
      out.begin_.push_back(static_cast<int64_t>(out.edges_.size()));
    }
    out.add_up();
    return out;
  }

  int64_t rows() const { return static_cast<int64_t>(degree_.size()); }
  float degree(int64_t row) const { return degree_[static_cast<size_t>(row)]; }

  template <class F>
  void for_edges(int64_t row, const F& f) const {
    for (auto e = begin_[static_cast<size_t>(row)]; e < begin_[static_cast<size_t>(row) + 1]; ++e) {
      f(edges_[static_cast<size_t>(e)]);
    }
  }

  // out = D^-1 W in, for matrices [rows, columns]; rows without neighbours become 0.
  void average(const std::vector<float>& in, int64_t columns, std::vector<float>& out) const {
    for_blocks(rows(), columns * 2 * (begin_.back() / std::max<int64_t>(rows(), 1)),
               [&](int64_t begin, int64_t end) {
                 for (auto row = begin; row < end; ++row) {
                   auto* sum = out.data() + row * columns;
                   std::fill(sum, sum + columns, 0.0F);
                   for_edges(row, [&](const Edge& edge) {
                     const auto* value = in.data() + edge.to * columns;
                     for (int64_t c = 0; c < columns; ++c) sum[c] += edge.weight * value[c];
                   });
                   const float scale = degree(row) > 0 ? 1 / degree(row) : 0;
                   for (int64_t c = 0; c < columns; ++c) sum[c] *= scale;
                 }
               });
  }

  // Sums of the weights between rows of each two classes, [classes * classes], symmetric.
  std::vector<double> cuts(const Classes& classes, int64_t count) const {
    std::vector<double> out(static_cast<size_t>(count * count), 0.0);
    for (int64_t row = 0; row < rows(); ++row) {
      const auto own = classes[static_cast<size_t>(row)] * count;
      for_edges(row, [&](const Edge& edge) {
        out[static_cast<size_t>(own + classes[static_cast<size_t>(edge.to)])] +=
            static_cast<double>(edge.weight);
      });
    }
    return out;
  }

 private:
  Graph() = default;

  void add_up() {
    degree_.assign(begin_.size() - 1, 0.0F);
    for (size_t i = 0; i < degree_.size(); ++i) {
      for_edges(static_cast<int64_t>(i), [&](const Edge& edge) { degree_[i] += edge.weight; });
    }
  }

  std::vector<int64_t> begin_;  // of the edges of each row, and their number
  std::vector<Edge> edges_;
  std::vector<float> degree_;
};

// A graph with labels, and where its classes settle.
class Spread {
 public:
  // `labels`: the class of each row, or -1.
  Spread(const Graph& graph, Classes labels, std::vector<double> shares,
         const SpreadLabelOptions& options)
      : graph_(graph),
        labels_(std::move(labels)),
        shares_(std::move(shares)),
        options_(options),
        values_(static_cast<size_t>(graph.rows() * classes())),
        next_(values_.size()) {
    std::vector<float> part(static_cast<size_t>(classes()), 0.0F);
    for (int64_t row = 0; row < graph.rows(); ++row) {
      const auto label = labels_[static_cast<size_t>(row)];
      if (label < 0) continue;
      labeled_.push_back(row);
      part[static_cast<size_t>(label)] += 1;
    }
    const auto count = static_cast<float>(labeled_.size());
    for (const auto row : labeled_) {
      for (size_t c = 0; c < part.size(); ++c) {
        const bool own = labels_[static_cast<size_t>(row)] == static_cast<int64_t>(c);
        sources_.push_back((own ? 1.0F : 0.0F) - part[c] / count);
      }
    }
  }

  int64_t classes() const { return static_cast<int64_t>(shares_.size()); }

  // From the labels alone.
  Classes first() {
    std::fill(values_.begin(), values_.end(), 0.0F);
    diffuse(options_.first_steps);
    return balanced();
  }

  // From classes of all rows, in their shares.
  Classes settle(Classes now) {
    return settle(std::move(now), options_.steps, [&] { return balanced(); });
  }

  // From a border between classes, which may move to where the cut is small.
  Classes settle_border(Classes now) {
    const std::vector<float> none(shares_.size(), 0.0F);
    return settle(std::move(now), options_.fine_steps, [&] { return largest(none); });
  }

  // Labels that have their class.
  int64_t kept(const Classes& now) const {
    return std::count_if(labeled_.begin(), labeled_.end(), [&](int64_t row) {
      return now[static_cast<size_t>(row)] == labels_[static_cast<size_t>(row)];
    });
  }

 private:
  template <class Choose>
  Classes settle(Classes now, int64_t steps, const Choose& choose) {
    const auto most = static_cast<int64_t>(kUnchanged * static_cast<double>(graph_.rows()));
    for (int64_t round = 0; round < options_.rounds; ++round) {
      std::fill(values_.begin(), values_.end(), 0.0F);
      for (size_t i = 0; i < now.size(); ++i) {
        values_[i * shares_.size() + static_cast<size_t>(now[i])] = 1;
      }
      diffuse(steps);
      auto then = choose();
      int64_t changed = 0;
      for (size_t i = 0; i < now.size(); ++i) changed += now[i] != then[i];
      now = std::move(then);
      if (changed <= most) break;
    }
    return now;
  }

  // values <- D^-1 (W values + F), `steps` times.
  void diffuse(int64_t steps) {
    const auto count = classes();
    for (int64_t step = 0; step < steps; ++step) {
      graph_.average(values_, count, next_);
      const auto* source = sources_.data();
      for (const auto row : labeled_) {
        const auto degree = graph_.degree(row);
        for (int64_t c = 0; c < count; ++c, ++source) {
          if (degree > 0) next_[static_cast<size_t>(row * count + c)] += *source / degree;
        }
      }
      std::swap(values_, next_);
    }
  }

  // The class of each row with the largest value + b.
  Classes largest(const std::vector<float>& b) const {
    const auto count = classes();
    Classes out(static_cast<size_t>(graph_.rows()));
    for_blocks(graph_.rows(), count, [&](int64_t begin, int64_t end) {
      for (auto row = begin; row < end; ++row) {
        const auto* value = values_.data() + row * count;
        int64_t best = 0;
        for (int64_t c = 1; c < count; ++c) {
          const bool more =
              value[c] + b[static_cast<size_t>(c)] > value[best] + b[static_cast<size_t>(best)];
          best = more ? c : best;
        }
        out[static_cast<size_t>(row)] = best;
      }
    });
    return out;
  }

  // The classes with the largest values + b, so that each has its share of the rows.
  Classes balanced() const {
    const auto rows = graph_.rows();
    const auto all = static_cast<double>(values_.size());
    double sum = 0, squares = 0;
    for (const auto value : values_) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const double scale = std::sqrt(std::max(0.0, squares / all - sum / all * (sum / all)));
    std::vector<float> b(shares_.size(), 0.0F);
    // Steps of b: longer as long as a class lacks rows, or has too many, and half as long where
    // that turns.
    std::vector<double> steps(shares_.size(), 0.1 * scale), before(shares_.size(), 0.0);
    Classes best;
    double least = std::numeric_limits<double>::infinity();
    for (int64_t step = 0; step < kShareSteps && least > 0; ++step) {
      auto now = largest(b);
      std::vector<double> missing;
      for (const auto share : shares_) missing.push_back(share * static_cast<double>(rows));
      for (const auto c : now) missing[static_cast<size_t>(c)] -= 1;
      double worst = 0;
      for (size_t c = 0; c < shares_.size(); ++c) {
        const double lacks = missing[c] / (shares_[c] * static_cast<double>(rows));
        const double part =
            lacks - std::clamp(lacks, -options_.share_tolerance, options_.share_tolerance);
        worst = std::max(worst, std::abs(part));
        steps[c] *= part * before[c] < 0 ? 0.5 : 1.2;
        b[c] += static_cast<float>(part == 0 ? 0 : std::copysign(steps[c], part));
        before[c] = part;
      }
      if (worst < least) {
        least = worst;
        best = std::move(now);
      }
    }
    return best;
  }

  const Graph& graph_;
  Classes labels_;
  std::vector<int64_t> labeled_;  // rows with a label
  std::vector<double> shares_;
  SpreadLabelOptions options_;
  std::vector<float> sources_;        // F of the rows with a label, [labeled, classes]
  std::vector<float> values_, next_;  // u, [rows, classes]
};

// Matrices [rows, kColumns] whose columns are looked at under D: a b = sum of d_i a_i b_i.
class Columns {
 public:
  // Constant, then random.
  Columns(const Graph& graph, uint64_t seed)
      : graph_(graph),
        values_(static_cast<size_t>(graph.rows() * kColumns)),
        next_(values_.size()) {
    PhiloxEngine random(seed);
    for (size_t i = 0; i < values_.size(); ++i) {
      const bool constant = i % kColumns == 0;
      values_[i] = constant ? 1.0F : static_cast<float>(random()) / 4294967296.0F - 0.5F;
    }
  }

  // values <- D^-1 W values
  void average() {
    graph_.average(values_, kColumns, next_);
    std::swap(values_, next_);
  }

  void make_orthonormal() {
    for (int64_t a = 0; a < kColumns; ++a) {
      for (int64_t b = 0; b < a; ++b) add(a, b, -product(values_, a, b));
      const double length = std::sqrt(product(values_, a, a));
      add(a, a, (length > 0 ? 1 / length : 0) - 1);
    }
  }

  // The eigenvectors of D^-1 W within the space of orthonormal columns, from the largest
  // eigenvalue down, but for the first: [rows, kModes].
  std::vector<float> modes() {
    graph_.average(values_, kColumns, next_);
    auto within = at::empty({kColumns, kColumns}, at::kDouble);
    for (int64_t a = 0; a < kColumns; ++a) {
      for (int64_t b = 0; b < kColumns; ++b) {
        within[a][b] = (product(next_, a, b) + product(next_, b, a)) / 2;
      }
    }
    const auto vectors = std::get<1>(at::linalg_eigh(within)).contiguous();  // ascending
    const auto* turn = vectors.const_data_ptr<double>();
    std::vector<float> out;
    for (int64_t row = 0; row < graph_.rows(); ++row) {
      const auto* value = values_.data() + row * kColumns;
      for (int64_t mode = 0; mode < kModes; ++mode) {
        double sum = 0;
        for (int64_t c = 0; c < kColumns; ++c) {
          sum += static_cast<double>(value[c]) * turn[c * kColumns + kColumns - 2 - mode];
        }
        out.push_back(static_cast<float>(sum));
      }
    }
    return out;
  }

 private:
  // Of column a of `left` and column b of these.
  double product(const std::vector<float>& left, int64_t a, int64_t b) const {
    double sum = 0;
    for (int64_t row = 0; row < graph_.rows(); ++row) {
      sum += static_cast<double>(graph_.degree(row)) *
             static_cast<double>(left[static_cast<size_t>(row * kColumns + a)]) *
             static_cast<double>(values_[static_cast<size_t>(row * kColumns + b)]);
    }
    return sum;
  }

  void add(int64_t to, int64_t from, double factor) {
    for (int64_t row = 0; row < graph_.rows(); ++row) {
      auto* value = values_.data() + row * kColumns;
      value[to] += static_cast<float>(factor) * value[from];
    }
  }

  const Graph& graph_;
  std::vector<float> values_, next_;
};

// The slowest modes of diffusion but the constant one: eigenvectors of D^-1 W with the largest
// eigenvalues, [rows, kModes], nearly. By subspace iteration.
std::vector<float> slowest_modes(const Graph& graph, uint64_t seed) {
  constexpr int64_t kOrthonormalEvery = 5;
  Columns columns(graph, seed);
  for (int64_t step = 0; step < kModeSteps; ++step) {
    if (step % kOrthonormalEvery == 0) columns.make_orthonormal();
    columns.average();
  }
  columns.make_orthonormal();
  return columns.modes();
}

// Two classes by the values of one mode, class 0 where they are larger (`up`) or smaller: split
// where the cut is smallest beside the smaller class, with at least `least` and at most `most` rows
// in class 0.
Classes split_by(const Graph& graph, const std::vector<float>& modes, int64_t mode, bool up,
                 int64_t least, int64_t most) {
  const auto rows = graph.rows();
  const auto value = [&](int64_t row) {
    const float v = modes[static_cast<size_t>(row * kModes + mode)];
    return up ? -v : v;
  };
  std::vector<int64_t> order(static_cast<size_t>(rows)), place(order.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return value(a) != value(b) ? value(a) < value(b) : a < b;
  });
  for (size_t i = 0; i < order.size(); ++i) {
    place[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  }
  // Of the edges between the first `count` rows and the others, from count to count.
  double cut = 0, smallest = std::numeric_limits<double>::infinity();
  int64_t best = least;
  for (int64_t count = 1; count <= most; ++count) {
    graph.for_edges(order[static_cast<size_t>(count) - 1], [&](const Edge& edge) {
      const bool inside = place[static_cast<size_t>(edge.to)] < count - 1;
      cut += static_cast<double>(inside ? -edge.weight : edge.weight);
    });
    const double relative = cut / static_cast<double>(std::min(count, rows - count));
    if (count >= least && relative < smallest) {
      smallest = relative;
      best = count;
    }
  }
  Classes out(order.size(), 1);
  for (int64_t i = 0; i < best; ++i) out[static_cast<size_t>(order[static_cast<size_t>(i)])] = 0;
  return out;
}

double part_equal(const Classes& a, const Classes& b) {
  const auto equal = std::inner_product(a.begin(), a.end(), b.begin(), int64_t{0}, std::plus<>(),
                                        std::equal_to<>());
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

// Look for a better border between two classes.
void divide_again(const Graph& graph, const Classes& labels, std::array<int64_t, 2> pair,
                  const SpreadLabelOptions& options, Classes& classes) {
  std::vector<int64_t> rows;
  Classes now, own_labels;
  const auto place = [&](int64_t of_class) -> int64_t {
    return of_class == pair[0] ? 0 : of_class == pair[1] ? 1 : -1;
  };
  for (int64_t row = 0; row < graph.rows(); ++row) {
    const auto in = place(classes[static_cast<size_t>(row)]);
    if (in < 0) continue;
    rows.push_back(row);
    now.push_back(in);
    own_labels.push_back(place(labels[static_cast<size_t>(row)]));
  }
  const auto ones = std::count(now.begin(), now.end(), 1);
  const auto zeros = static_cast<int64_t>(now.size()) - ones;
  const auto moved = static_cast<int64_t>(kMoved * static_cast<double>(std::min(zeros, ones)));
  const auto has_label = [&](int64_t of_class) {
    return std::find(own_labels.begin(), own_labels.end(), of_class) != own_labels.end();
  };
  if (moved == 0 || !has_label(0) || !has_label(1)) return;
  const auto both = graph.part(rows);
  Spread spread(both, own_labels, {0.5, 0.5}, options);
  const auto kept = spread.kept(now);
  // Beside the rows of the smaller class: a border has a smaller cut just by leaving it fewer rows.
  const auto relative = [&](const Classes& two) {
    const auto first = std::count(two.begin(), two.end(), 0);
    const auto fewer = std::min(first, static_cast<int64_t>(two.size()) - first);
    return both.cuts(two, 2)[1] / static_cast<double>(fewer);
  };
  double least = relative(now);
  const auto modes = slowest_modes(both, options.seed);
  for (int64_t mode = 0; mode < kModes; ++mode) {
    const auto split = [&](bool up) {
      return split_by(both, modes, mode, up, zeros - moved, zeros + moved);
    };
    const auto one_way = split(true), other_way = split(false);
    const double like_now = part_equal(one_way, now);
    // Much like the border there is, or the other way round: the classes stay where they are.
    // Otherwise the labels say which side is whose, if nearly all of them agree: with too few, the
    // rounds would keep each label with few rows around it, in the middle of the other class.
    const bool is_new = std::abs(like_now - 0.5) < kNewBorder;
    const auto one_kept = spread.kept(one_way), other_kept = spread.kept(other_way);
    if (is_new && 4 * std::max(one_kept, other_kept) < 3 * kept) continue;
    const bool takes_one = is_new ? one_kept >= other_kept : like_now > 0.5;
    auto found = spread.settle_border(takes_one ? one_way : other_way);
    const auto left = std::count(found.begin(), found.end(), 0);
    const double there = relative(found);
    if (there < least && spread.kept(found) >= kept && std::abs(left - zeros) <= moved) {
      least = there;
      now = std::move(found);
    }
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    classes[static_cast<size_t>(rows[i])] = pair[static_cast<size_t>(now[i])];
  }
}

// Let two classes change places where more labels then agree with the rows around them; return
// whether any did. Each label holds a few rows around it, so the classes settle without labels
// first. With few labels a class can take the place of another one, all but these rows.
bool trade_places(const Graph& graph, const Classes& labels, const std::vector<double>& shares,
                  const SpreadLabelOptions& options, Classes& classes) {
  Spread free(graph, Classes(labels.size(), -1), shares, options);
  const auto settled = free.settle_border(classes);
  const auto count = shares.size();
  std::vector<int64_t> seen(count * count, 0);  // labels of one class among rows of another
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0)
      ++seen[static_cast<size_t>(labels[i]) * count + static_cast<size_t>(settled[i])];
  }
  std::vector<size_t> place(count);  // of each class: the one whose rows it gets
  std::iota(place.begin(), place.end(), size_t{0});
  bool traded = false;
  for (bool better = true; better;) {
    better = false;
    for (size_t a = 0; a < count; ++a) {
      for (size_t b = 0; b < a; ++b) {
        const auto* of_a = &seen[a * count];
        const auto* of_b = &seen[b * count];
        if (of_a[place[b]] + of_b[place[a]] <= of_a[place[a]] + of_b[place[b]]) continue;
        std::swap(place[a], place[b]);
        better = traded = true;
      }
    }
  }
  if (!traded) return false;
  std::vector<int64_t> becomes(count);
  for (size_t c = 0; c < count; ++c) becomes[place[c]] = static_cast<int64_t>(c);
  for (size_t i = 0; i < classes.size(); ++i) {
    classes[i] = becomes[static_cast<size_t>(settled[i])];
  }
  return true;
}

// Pairs of classes by the cut between them, largest first; those without any are left out.
std::vector<std::array<int64_t, 2>> pairs_by_cut(const std::vector<double>& cuts, int64_t classes) {
  std::vector<std::pair<double, std::array<int64_t, 2>>> found;
  for (int64_t a = 0; a < classes; ++a) {
    for (int64_t b = a + 1; b < classes; ++b) {
      const double cut = cuts[static_cast<size_t>(a * classes + b)];
      if (cut > 0) found.push_back({-cut, {a, b}});
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::array<int64_t, 2>> out;
  for (const auto& one : found) out.push_back(one.second);
  return out;
}

// a_ij [n, k].
at::Tensor edge_weights(const at::Tensor& x, const at::Tensor& neighbours, double sharpness) {
  constexpr int64_t kRows = 4096;  // at once
  const auto rows = neighbours.size(0), k = neighbours.size(1);
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < rows; begin += kRows) {
    const auto size = std::min(kRows, rows - begin);
    const auto own = floating_rows(x.narrow(0, begin, size)).flatten(1);
    const auto near = neighbours.narrow(0, begin, size);
    const auto squares = at::empty({size, k}, own.options());
    for (int64_t j = 0; j < k; ++j) {
      const auto theirs = gather_floating_rows(x, near.select(1, j)).flatten(1);
      squares.select(1, j).copy_((theirs - own).square().sum(1));
    }
    const auto last = squares.narrow(1, k - 1, 1);
    const auto relative = at::where(last.gt(0), squares / last, at::zeros_like(squares));
    parts.push_back(relative.mul(-sharpness).exp().to(at::kFloat));
  }
  return at::cat(parts).contiguous();
}

void check_spread(const torch::Tensor& x, const torch::Tensor& neighbours,
                  const torch::Tensor& labels, const SpreadLabelOptions& options) {
  TORCH_CHECK(x.defined() && x.dim() >= 2, "spread_labels: expected rows x [n, ...] but got ",
              shape_text(x), ".");
  const auto n = x.size(0);
  TORCH_CHECK(neighbours.defined() && neighbours.scalar_type() == at::kLong &&
                  neighbours.dim() == 2 && neighbours.size(0) == n && neighbours.size(1) >= 1,
              "spread_labels: expected int64 neighbours [", n, ", k] but got ",
              type_and_shape_text(neighbours), ".");
  TORCH_CHECK(labels.defined() && labels.scalar_type() == at::kLong && labels.dim() == 1 &&
                  labels.size(0) == n,
              "spread_labels: expected int64 labels [", n, "] but got ",
              type_and_shape_text(labels), ".");
  const auto [first, last] = neighbours.aminmax();
  TORCH_CHECK(first.item<int64_t>() >= 0 && last.item<int64_t>() < n,
              "spread_labels: expected neighbours in 0..", n - 1, " but got ",
              first.item<int64_t>() < 0 ? first.item<int64_t>() : last.item<int64_t>(), ".");
  const auto highest = labels.max().item<int64_t>();
  TORCH_CHECK(highest >= 0, "spread_labels: expected a label of at least one row but got none.");
  TORCH_CHECK(options.classes == 0 || options.classes > highest,
              "spread_labels: expected labels below ", options.classes, " classes but got ",
              highest, ".");
  const auto classes = options.classes > 0 ? options.classes : highest + 1;
  double sum = 0;
  for (const auto share : options.shares) sum += share;
  TORCH_CHECK(options.shares.empty() ||
                  (static_cast<int64_t>(options.shares.size()) == classes &&
                   *std::min_element(options.shares.begin(), options.shares.end()) > 0 &&
                   std::abs(sum - 1) < 1e-6),
              "spread_labels: expected a share above 0 for each of ", classes,
              " classes, together 1, but got ", options.shares, ".");
  TORCH_CHECK(std::isfinite(options.sharpness) && options.sharpness >= 0,
              "spread_labels: expected a sharpness of at least 0 but got ", options.sharpness, ".");
  TORCH_CHECK(options.share_tolerance >= 0 && options.share_tolerance < 1,
              "spread_labels: expected a share_tolerance from 0 to below 1 but got ",
              options.share_tolerance, ".");
  const auto at_least = [](const char* name, int64_t value, int64_t least) {
    TORCH_CHECK(value >= least, "spread_labels: expected ", name, " of at least ", least,
                " but got ", value, ".");
  };
  at_least("first_steps", options.first_steps, 1);
  at_least("steps", options.steps, 1);
  at_least("fine_steps", options.fine_steps, 1);
  at_least("rounds", options.rounds, 0);
  at_least("pairs", options.pairs, 0);
}

}  // namespace

torch::Tensor spread_labels(const torch::Tensor& x, const torch::Tensor& neighbours,
                            const torch::Tensor& labels, const SpreadLabelOptions& options) {
  check_spread(x, neighbours, labels, options);
  const at::NoGradGuard no_gradients;
  const auto near = neighbours.cpu().contiguous();
  const Graph graph(near, edge_weights(x, neighbours, options.sharpness).cpu());
  const auto given = labels.cpu().contiguous();
  const auto* label = given.const_data_ptr<int64_t>();
  const Classes own(label, label + given.numel());
  const auto count =
      options.classes > 0 ? options.classes : *std::max_element(own.begin(), own.end()) + 1;
  auto shares = options.shares;
  if (shares.empty()) {
    shares.assign(static_cast<size_t>(count), 1 / static_cast<double>(count));
  }
  Spread spread(graph, own, shares, options);
  const auto trade = [&](Classes& classes) {
    return trade_places(graph, own, shares, options, classes);
  };
  auto classes = spread.settle(spread.first());
  if (trade(classes)) classes = spread.settle(std::move(classes));
  for (int64_t look = 0; look < kLooks; ++look) {
    auto pairs = pairs_by_cut(graph.cuts(classes, count), count);
    if (static_cast<int64_t>(pairs.size()) > options.pairs) {
      pairs.resize(static_cast<size_t>(options.pairs));
    }
    for (const auto& pair : pairs) divide_again(graph, own, pair, options, classes);
    if (!trade(classes)) break;
    classes = spread.settle_border(std::move(classes));
  }
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i] >= 0) classes[i] = own[i];
  }
  return at::tensor(classes, at::kLong).to(labels.device());
}

}  // namespace ladder::data
