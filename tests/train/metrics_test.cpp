// Constants named below were computed by scikit-learn 1.9.1 and SciPy 1.17.1 on the same rows.
#include "ladder/train/metrics.h"

#include <ladder/train/evaluate.h>
#include <torch/torch.h>

#include <cmath>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using ladder::testing::error_text;
using ladder::testing::require_equal;

namespace {

// A few roundings of numbers below 10.
constexpr double kRounding = 64 * std::numeric_limits<double>::epsilon();

Approx near(double value) { return Approx(value).epsilon(kRounding).margin(kRounding); }

torch::Tensor metric_labels() {
  return torch::tensor({0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2}, torch::kInt64);
}

// Four classes; nothing is a row of the last one or predicted as it.
torch::Tensor metric_probabilities() {
  return torch::tensor(
             {.7,  .1,  .1,  .1,  .4, .5, .05, .05, .9,  .04, .03, .03, .26, .25, .25, .24,
              .1,  .8,  .05, .05, .3, .1, .55, .05, .05, .95, 0.,  0.,  .2,  .1,  .6,  .1,
              .45, .05, .4,  .1,  0., 0., 1.,  0.,  1.,  0.,  0.,  0.,  .1,  .2,  .65, .05},
             torch::kDouble)
      .reshape({12, 4});
}

}  // namespace

TEST_CASE("classification_metrics agrees with scikit-learn", "[train]") {
  const auto metrics = classification_metrics(metric_probabilities(), metric_labels());
  CHECK(metrics.rows == 12);
  CHECK(metrics.wrong == 4);
  CHECK(metrics.error == near(100.0 / 3));
  CHECK(metrics.confusion.equal(
      torch::tensor({{3, 1, 0, 0}, {0, 2, 1, 0}, {2, 0, 3, 0}, {0, 0, 0, 0}}, torch::kInt64)));
  // balanced_accuracy_score, f1_score(average="macro"), log_loss
  CHECK(metrics.balanced_accuracy == near(0.6722222222222222));
  CHECK(metrics.macro_f1 == near(0.6666666666666666));
  CHECK(metrics.log_loss == near(3.6003312032485737));
  // precision_recall_fscore_support(zero_division=nan)
  REQUIRE(metrics.classes.size() == 4);
  const double precision[] = {0.6, 0.6666666666666666, 0.75};
  const double recall[] = {0.75, 0.6666666666666666, 0.6};
  const int64_t support[] = {4, 3, 5};
  for (size_t c = 0; c < 3; ++c) {
    INFO("class " << c);
    const auto& one = metrics.classes[c];
    CHECK(one.precision.value() == near(precision[c]));
    CHECK(one.recall.value() == near(recall[c]));
    CHECK(one.f1.value() == near(2.0 / 3));
    CHECK(one.support == support[c]);
  }
  const auto& absent = metrics.classes[3];
  CHECK(absent.support + absent.predicted + absent.hits == 0);
  CHECK_FALSE((absent.precision || absent.recall || absent.f1));
}

TEST_CASE("classification_metrics measures calibration by its definition", "[train]") {
  const auto reliability =
      classification_metrics(metric_probabilities(), metric_labels()).reliability;
  REQUIRE(reliability.bins.size() == 10);
  CHECK(reliability.error == near(0.31166666666666665));  // by NumPy, from the definition
  const auto& last = reliability.bins.back();             // 0.95, 1 and 1, of which one is wrong
  CHECK(last.low == near(0.9));
  CHECK(last.high == 1);
  CHECK(last.rows == 3);
  CHECK(last.confidence == near(2.95 / 3));
  CHECK(last.accuracy == near(2.0 / 3));
  CHECK(reliability.bins[0].rows == 0);
  CHECK(reliability.bins[6].rows == 2);  // 0.65 and 0.7: a bin holds its upper end

  // One bin: |accuracy - mean confidence| of all rows.
  const auto one = classification_metrics(metric_probabilities(), metric_labels(), 1).reliability;
  REQUIRE(one.bins.size() == 1);
  const double confidence = std::get<0>(metric_probabilities().max(1)).mean().item<double>();
  CHECK(one.error == near(std::abs(8.0 / 12 - confidence)));
}

TEST_CASE("classification_metrics leaves out rows without a label", "[train]") {
  const auto p = metric_probabilities();
  const auto y = metric_labels();
  const auto none = torch::tensor({-1, -1, -1}, torch::kInt64);
  const auto all = classification_metrics(p, y);
  const auto more =
      classification_metrics(torch::cat({p.narrow(0, 0, 3), p}), torch::cat({none, y}));
  CHECK(more.rows == all.rows);
  CHECK(more.confusion.equal(all.confusion));
  CHECK(more.log_loss == all.log_loss);
  CHECK(more.reliability.error == all.reliability.error);
}

TEST_CASE("classification_metrics keeps the log loss of a certain mistake finite", "[train]") {
  const auto y = torch::tensor({1}, torch::kInt64);
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    const auto p = torch::tensor({{1.0, 0.0}}, dtype);
    const double epsilon = dtype == torch::kFloat ? std::numeric_limits<float>::epsilon()
                                                  : std::numeric_limits<double>::epsilon();
    CHECK(classification_metrics(p, y).log_loss == near(-std::log(epsilon)));
    CHECK(classification_metrics(p, 1 - y).log_loss == 0);
  }
}

TEST_CASE("wilson_interval agrees with SciPy", "[train]") {
  struct Case {
    int64_t hits, rows;
    double low, high;
  };
  // binomtest(hits, rows).proportion_ci(method="wilson")
  for (const auto& [hits, rows, low, high] :
       {Case{0, 20, 0.0, 0.16112515805281935}, Case{5, 12, 0.1932603136587566, 0.6804886874504502},
        Case{12, 400, 0.01724302096514305, 0.051698535709095675},
        Case{20, 20, 0.8388748419471808, 1.0},
        Case{98, 10000, 0.008048716055211168, 0.011927755947400165}}) {
    INFO(hits << " of " << rows);
    const auto interval = wilson_interval(hits, rows);
    CHECK(interval.low == near(low));
    CHECK(interval.high == near(high));
    const auto other = wilson_interval(rows - hits, rows);  // symmetric in hits and misses
    CHECK(other.low == near(1 - high));
    CHECK(other.high == near(1 - low));
  }
  CHECK(wilson_interval(0, 1).low == 0);
  CHECK(wilson_interval(1, 1).high == 1);
  const auto narrow = wilson_interval(5, 12, 1.0);
  CHECK(narrow.low > wilson_interval(5, 12).low);
  CHECK(narrow.high < wilson_interval(5, 12).high);
}

TEST_CASE("wilson_interval says what is wrong with its numbers", "[train]") {
  CHECK(error_text([] { wilson_interval(0, 0); }) ==
        "wilson_interval: expected at least 1 row but got 0.");
  CHECK(error_text([] { wilson_interval(3, 2); }) ==
        "wilson_interval: expected hits in 0..2 but got 3.");
  CHECK(error_text([] { wilson_interval(1, 2, 0); }) ==
        "wilson_interval: expected z above 0 but got 0.");
}

TEST_CASE("classification_metrics of many classes has pairs in place of a matrix", "[train]") {
  const auto metrics_of = [](int64_t classes) {
    const auto each = torch::arange(classes);
    const auto labels = torch::cat({each, torch::tensor({5, 7, 5}, torch::kInt64)});
    const auto predicted =
        torch::cat({each, torch::tensor(std::vector<int64_t>{classes - 1, 9, classes - 1})});
    const auto p = torch::one_hot(predicted, classes).to(torch::kDouble);
    return classification_metrics(p, labels);
  };
  for (const int64_t classes : {kMaxConfusionClasses, kMaxConfusionClasses + 1}) {
    INFO(classes << " classes");
    const auto metrics = metrics_of(classes);
    CHECK(metrics.confusion.defined() == (classes == kMaxConfusionClasses));
    const std::vector<ConfusedPair> pairs = {{.label = 5, .prediction = classes - 1, .rows = 2},
                                             {.label = 7, .prediction = 9, .rows = 1}};
    CHECK((metrics.confused == pairs));
    CHECK(metrics.rows == classes + 3);
    CHECK(metrics.wrong == 3);
    REQUIRE(std::ssize(metrics.classes) == classes);
    CHECK(metrics.classes[5].support == 3);
    CHECK(metrics.classes[5].hits == 1);
    CHECK(metrics.classes.back().predicted == 3);
    const auto all = static_cast<double>(classes);
    // Each of the means is a sum of `classes` numbers up to 1.
    const double rounding = all * std::numeric_limits<double>::epsilon();
    CHECK(metrics.balanced_accuracy ==
          Approx((all - 2 + 1.0 / 3 + 1.0 / 2) / all).epsilon(rounding));
    // Of classes 5 and 7, and of the ones that they are taken for.
    const double f1 = 2.0 / 4 + 2.0 / 3 + 2.0 / 4 + 2.0 / 3;
    CHECK(metrics.macro_f1 == Approx((all - 4 + f1) / all).epsilon(rounding));
  }
}

TEST_CASE("BlockMetrics measures blocks as classification_metrics does all rows", "[train]") {
  const auto y = torch::cat({metric_labels(), torch::tensor({-1}, torch::kInt64)});
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    const auto p =
        torch::cat({metric_probabilities(), metric_probabilities().narrow(0, 0, 1)}).to(dtype);
    BlockMetrics measured(4);
    for (const auto& [begin, size] : {std::pair(0, 5), {5, 1}, {6, 6}, {12, 1}}) {
      measured.add(p.narrow(0, begin, size), y.narrow(0, begin, size));
    }
    const auto blocks = measured.metrics(), all = classification_metrics(p, y);
    CHECK(blocks.rows == all.rows);
    CHECK(blocks.wrong == all.wrong);
    CHECK(blocks.log_loss == all.log_loss);
    CHECK(blocks.reliability.error == all.reliability.error);
    CHECK(blocks.macro_f1 == all.macro_f1);
    CHECK(blocks.confusion.equal(all.confusion));
    CHECK((blocks.confused == all.confused));
  }
  BlockMetrics measured(4);
  const auto p = metric_probabilities();
  CHECK(error_text([&] { (void)measured.metrics(); }) ==
        "classification_metrics: expected rows to measure but got none.");
  measured.add(p.narrow(0, 0, 3), torch::full({3}, -1, torch::kInt64));
  CHECK(error_text([&] { (void)measured.metrics(); }) ==
        "classification_metrics: expected labels of the evaluated rows but got -1, which stands "
        "for none, for every row.");
  CHECK(error_text([&] { measured.add(p.narrow(0, 3, 2) * 0.5, y.narrow(0, 3, 2)); }) ==
        "classification_metrics: expected probabilities of a row to add up to 1 but got 0.5 (row "
        "3).");
  CHECK(error_text([&] { measured.add(p.narrow(1, 0, 3), y.narrow(0, 0, 12)); }) ==
        "classification_metrics: expected probabilities of 4 classes but got 3.");
}

TEST_CASE("class_metrics, balanced_accuracy and macro_f1 read a confusion matrix", "[train]") {
  const auto confusion = torch::tensor({{8, 2}, {1, 9}}, torch::kInt64);
  CHECK(balanced_accuracy(confusion) == near(0.85));
  CHECK(macro_f1(confusion) == near((16.0 / 19 + 18.0 / 21) / 2));
  CHECK(class_metrics(confusion)[1].precision.value() == near(9.0 / 11));
  const auto nothing = torch::zeros({2, 2}, torch::kInt64);
  CHECK(error_text([&] { balanced_accuracy(nothing); }) ==
        "balanced_accuracy: expected a confusion matrix of at least one row but got 0.");
  CHECK(error_text([&] { macro_f1(nothing); }) ==
        "macro_f1: expected a confusion matrix of at least one row but got 0.");
  CHECK(error_text([] {
          class_metrics(torch::zeros({2, 3}, torch::kInt64));
        }) ==
        "class_metrics: expected an int64 confusion matrix [classes, classes] but got Long [2, "
        "3].");
}

TEST_CASE("confusion_matrix says what is wrong with labels and predictions", "[train]") {
  const auto y = torch::tensor({0, 1, -1}, torch::kInt64);
  CHECK(confusion_matrix(y, torch::tensor({1, 1, 1}, torch::kInt64), 2)
            .equal(torch::tensor({{0, 1}, {0, 1}}, torch::kInt64)));
  CHECK(error_text([&] {
          confusion_matrix(y, torch::tensor({0, 2, 0}, torch::kInt64), 2);
        }) == "confusion_matrix: expected predictions in 0..1 but got 2 (row 1).");
  CHECK(error_text([&] { confusion_matrix(y, torch::zeros({3}), 2); }) ==
        "confusion_matrix: expected int64 predictions [rows] but got Float [3].");
  CHECK(error_text([&] { confusion_matrix(y, torch::zeros({3}, torch::kInt64), 1); }) ==
        "confusion_matrix: expected labels of the evaluated rows in 0..0, or -1 for none, but got "
        "1 (row 1).");
}

TEST_CASE("classification_metrics says what is wrong with probabilities", "[train]") {
  const auto y = torch::tensor({0, 1}, torch::kInt64);
  const auto text = [&](const torch::Tensor& p, int64_t bins = 10) {
    return error_text([&] { classification_metrics(p, y, bins); });
  };
  CHECK(text(torch::tensor({{0.5, 0.5}, {2.0, -1.0}})) ==
        "classification_metrics: expected probabilities in 0..1 but got 2 (row 1; take the softmax "
        "of logits).");
  CHECK(text(torch::tensor({{0.5, 0.5}, {0.5, 0.25}})) ==
        "classification_metrics: expected probabilities of a row to add up to 1 but got 0.75 (row "
        "1).");
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(text(torch::tensor({{nan, 0.5}, {0.5, 0.5}})) ==
        "classification_metrics: expected probabilities in 0..1 but got nan (row 0; take the "
        "softmax of logits).");
  CHECK(text(torch::zeros({2, 2}, torch::kInt64)) ==
        "classification_metrics: expected float or double probabilities [rows, classes] but got "
        "Long [2, 2].");
  CHECK(text(torch::full({2, 2}, 0.5), 0) ==
        "classification_metrics: expected at least 1 bin but got 0.");
}

TEST_CASE("probabilities are the softmax of the logits in batches of any size", "[train]") {
  const auto data = ladder::testing::blobs();
  auto net = ladder::testing::small_ladder();
  net->calibrate(data.training.inputs);
  const auto p = probabilities(net, data.test_inputs, 7);
  CHECK(net->is_training());
  REQUIRE(p.sizes() == at::IntArrayRef({300, 3}));
  CHECK(p.argmax(1).equal(predict(net, data.test_inputs)));
  net->eval();
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  for (const auto& part : data.test_inputs.split(7)) {
    parts.push_back(torch::softmax(net->forward(part), 1));
  }
  require_equal(p, torch::cat(parts));
  CHECK(classification_metrics(p, data.test_labels).error ==
        Approx(error_rate(net, data.test_inputs, data.test_labels)));
  CHECK(error_text([&] { probabilities(net, {}, 7); }) ==
        "probabilities: expected inputs of at least one row but got none.");
}
