#include "ladder/nn/combinators/vanilla_combinator.h"

#include <torch/torch.h>

#include <array>

#include "ladder/nn/internal/not_negative.h"

namespace ladder {
namespace {

struct Term {
  const char* name;
  bool lateral, sigmoid, cross;  // what it belongs to
  double published, reversed;    // its start
};

constexpr std::array<Term, 9> kTerms = {{
    {"b0", false, false, false, 0, 0},
    {"w0z", true, false, false, 1, 0},
    {"w0u", false, false, false, 0, 1},
    {"w0zu", true, false, true, 0, 0},
    {"ws", false, true, false, 1, 1},
    {"b1", false, true, false, 0, 0},
    {"w1z", true, true, false, 1, 0},
    {"w1u", false, true, false, 0, 1},
    {"w1zu", true, true, true, 0, 0},
}};

}  // namespace

VanillaCombinatorImpl::VanillaCombinatorImpl(VanillaCombinatorOptions options_)
    : FormulaCombinator("VanillaCombinator", options_) {
  check_not_negative("VanillaCombinator", "init_std", options.init_std);
  reset();
}

bool VanillaCombinatorImpl::has(size_t term) const {
  const auto& t = kTerms[term];
  return (options.lateral || !t.lateral) && (options.sigmoid || !t.sigmoid) &&
         (options.cross_term || !t.cross);
}

std::vector<std::string> VanillaCombinatorImpl::terms() const {
  std::vector<std::string> names;
  for (size_t t = 0; t < kTerms.size(); ++t) {
    if (has(t)) {
      names.emplace_back(kTerms[t].name);
    }
  }
  return names;
}

void VanillaCombinatorImpl::reset() {
  check_options();
  weight = register_parameter(
      "weight", torch::empty({static_cast<int64_t>(terms().size()), options.channels}));
  if (options.init == VanillaInit::kRandom) {
    auto init = default_source();
    reset_parameters(init);
  } else {
    NoiseSource unused(0);
    reset_parameters(unused);
  }
}

void VanillaCombinatorImpl::reset_parameters(NoiseSource& init) {
  if (options.init == VanillaInit::kRandom) return init_normal(weight, options.init_std, init);
  const torch::NoGradGuard no_grad;
  int64_t row = 0;
  for (size_t t = 0; t < kTerms.size(); ++t) {
    if (has(t)) {
      weight[row++].fill_(options.init == VanillaInit::kReversed ? kTerms[t].reversed
                                                                 : kTerms[t].published);
    }
  }
}

void VanillaCombinatorImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::VanillaCombinator(" << options.channels;
  if (options.init != VanillaInit::kPublished) {
    stream << (options.init == VanillaInit::kRandom ? ", random" : ", reversed");
  }
  stream << (options.lateral ? "" : ", no lateral") << (options.sigmoid ? "" : ", no sigmoid")
         << (options.cross_term ? "" : ", no cross term") << ")";
}

ops::DenoisingFunction VanillaCombinatorImpl::function() const {
  return ops::CombinatorFunction::kVanilla;
}

torch::Tensor VanillaCombinatorImpl::parameter_rows() const {
  if (weight.size(0) == static_cast<int64_t>(kTerms.size())) {
    return weight;
  }
  const auto present = weight.unbind(0);
  const auto zero = torch::zeros({options.channels}, weight.options().requires_grad(false));
  std::vector<torch::Tensor> rows;
  size_t row = 0;
  for (size_t t = 0; t < kTerms.size(); ++t) {
    rows.push_back(has(t) ? present[row++] : zero);
  }
  return torch::stack(rows);
}

}  // namespace ladder
