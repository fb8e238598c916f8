/// Tensors that a reference implementation left for the tests.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "ladder/io/tensor_file.h"
#include "ladder/nn/ladder.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/require_close.h"

namespace ladder::testing {

/// A file of tests/fixtures, its floating tensors in the dtype that is asked for.
class Fixture {
 public:
  Fixture(const std::string& name, torch::Dtype dtype)
      : dtype_(dtype), tensors_(io::load_tensors(fixture_folder() / (name + ".pt"))) {}

  torch::Dtype dtype() const { return dtype_; }
  bool has(const std::string& key) const { return tensors_.contains(key); }

  torch::Tensor operator[](const std::string& key) const {
    INFO(key);
    REQUIRE(has(key));
    const auto& t = tensors_.at(key);
    return t.is_floating_point() ? t.to(dtype_) : t;
  }

  std::vector<double> numbers(const std::string& key) const {
    const auto t = tensors_.at(key).to(torch::kDouble).contiguous();
    return {t.const_data_ptr<double>(), t.const_data_ptr<double>() + t.numel()};
  }

  int64_t integer(const std::string& key) const { return (*this)[key].item<int64_t>(); }

  SemiBatch batch() const { return {(*this)["x_labeled"], (*this)["y"], (*this)["x_unlabeled"]}; }

  /// The network in the fixture's dtype and with its parameters, which are all that it has.
  Ladder with_parameters(Ladder net) const {
    net->to(dtype_);
    const torch::NoGradGuard no_grad;
    for (auto& parameter : net->named_parameters()) {
      const auto value = (*this)["param." + parameter.key()];
      INFO(parameter.key());
      REQUIRE(parameter.value().sizes() == value.sizes());
      parameter.value().copy_(value);
    }
    size_t expected = 0;
    for (const auto& [key, value] : tensors_) {
      expected += key.starts_with("param.") ? 1 : 0;
    }
    REQUIRE(net->named_parameters().size() == expected);
    return net;
  }

  /// Requires the fixture's costs and gradients of the network that build() makes in its dtype,
  /// with the draws of noise(), within what rounding does to them. `in_double` is the same fixture
  /// in float64.
  template <class Made>
  void require_costs_and_gradients(const Made& in_double) const {
    const auto run = [](const Made& fixture) {
      auto net = fixture.build();
      auto noise = fixture.noise();
      const auto loss = net->loss(fixture.batch(), noise);
      loss.total.backward();
      std::vector<std::pair<std::string, torch::Tensor>> results = {
          {"cost.total", loss.total}, {"cost.supervised", loss.supervised}};
      for (size_t l = 0; l < loss.denoising.size(); ++l) {
        const auto key = "cost.denoising." + std::to_string(l);
        REQUIRE(loss.denoising[l].defined() == fixture.has(key));
        if (fixture.has(key)) {
          results.emplace_back(key, loss.denoising[l]);
        }
      }
      for (const auto& parameter : net->named_parameters()) {
        results.emplace_back("grad." + parameter.key(), parameter.value().grad());
      }
      return results;
    };
    const auto bounds = rounding_of([&] { return values_of(run(in_double)); }, dtype_);
    const auto results = run(static_cast<const Made&>(*this));
    for (size_t i = 0; i < results.size(); ++i) {
      const auto& [key, value] = results[i];
      INFO(key);
      require_close(value.detach().to(torch::kDouble), in_double[key], bounds[i] * 2);
    }
  }

  /// Calibrates the network on the fixture's rows; requires its statistics and logits, in float64.
  void require_evaluation(Ladder& net) const {
    net->eval();
    CHECK_THROWS_WITH(net->forward((*this)["eval.x"]), Catch::Contains("no stored statistics yet"));
    const auto run = [&] {
      net->calibrate((*this)["calibrate.inputs"], integer("calibrate.batch_size"));
      const auto buffers = net->named_buffers();
      std::vector<std::pair<std::string, torch::Tensor>> results;
      for (int64_t l = 1; l <= net->top_level(); ++l) {
        const auto prefix = "stages." + std::to_string(l - 1) + ".normalization.";
        results.emplace_back("calibrate.mean." + std::to_string(l),
                             buffers[prefix + "running_mean"].clone());
        results.emplace_back("calibrate.var." + std::to_string(l),
                             buffers[prefix + "running_var"].clone());
      }
      results.emplace_back("eval.logits", net->forward((*this)["eval.x"]));
      return results;
    };
    const auto results = run();
    const auto alone = net->forward((*this)["eval.x"].narrow(0, 1, 1));
    const auto bounds = rounding_of([&] { return values_of(run()); }, torch::kDouble);
    for (size_t i = 0; i < results.size(); ++i) {
      const auto& [key, value] = results[i];
      INFO(key);
      require_close(value, (*this)[key], bounds[i] * 2);
    }
    require_close(alone, (*this)["eval.logits"].narrow(0, 1, 1), bounds.back() * 2);
  }

 private:
  static std::vector<torch::Tensor> values_of(
      const std::vector<std::pair<std::string, torch::Tensor>>& named) {
    std::vector<torch::Tensor> values;
    for (const auto& [key, value] : named) {
      values.push_back(value.detach());
    }
    return values;
  }

  torch::Dtype dtype_;
  io::TensorMap tensors_;
};

}  // namespace ladder::testing
