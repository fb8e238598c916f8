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
  bool has(const std::string& key) const { return tensors_.count(key) > 0; }

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
      expected += key.rfind("param.", 0) == 0 ? 1 : 0;
    }
    REQUIRE(net->named_parameters().size() == expected);
    return net;
  }

  /// Requires the costs of the fixture, and its gradients after a backward pass.
  void require_costs_and_gradients(Ladder& net, const LadderLoss& loss, double rtol,
                                   double atol) const {
    require_close(loss.total, (*this)["cost.total"], rtol, atol);
    require_close(loss.supervised, (*this)["cost.supervised"], rtol, atol);
    for (size_t l = 0; l < loss.denoising.size(); ++l) {
      const auto key = "cost.denoising." + std::to_string(l);
      REQUIRE(loss.denoising[l].defined() == has(key));
      if (has(key)) {
        require_close(loss.denoising[l], (*this)[key], rtol, atol);
      }
    }
    loss.total.backward();
    for (const auto& parameter : net->named_parameters()) {
      INFO(parameter.key());
      require_close(parameter.value().grad(), (*this)["grad." + parameter.key()], rtol, atol * 10);
    }
  }

  /// Calibrates the network on the fixture's rows; requires its statistics and logits.
  void require_evaluation(Ladder& net, double rtol = 1e-9, double atol = 1e-11) const {
    net->eval();
    CHECK_THROWS_WITH(net->forward((*this)["eval.x"]), Catch::Contains("no stored statistics yet"));
    net->calibrate((*this)["calibrate.inputs"], integer("calibrate.batch_size"));
    const auto buffers = net->named_buffers();
    for (int64_t l = 1; l <= net->top_level(); ++l) {
      INFO("level " << l);
      const auto prefix = "stages." + std::to_string(l - 1) + ".normalization.";
      require_close(buffers[prefix + "running_mean"],
                    (*this)["calibrate.mean." + std::to_string(l)], rtol, atol);
      require_close(buffers[prefix + "running_var"], (*this)["calibrate.var." + std::to_string(l)],
                    rtol, atol);
    }
    require_close(net->forward((*this)["eval.x"]), (*this)["eval.logits"], rtol, atol);
    const auto alone = net->forward((*this)["eval.x"].narrow(0, 1, 1));
    require_close(alone, (*this)["eval.logits"].narrow(0, 1, 1), rtol, atol);
  }

 private:
  torch::Dtype dtype_;
  io::TensorMap tensors_;
};

}  // namespace ladder::testing
