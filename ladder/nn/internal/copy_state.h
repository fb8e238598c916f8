/// Copy parameters and buffers between modules of one structure.
#pragma once

#include <c10/util/Exception.h>
#include <torch/nn/module.h>

#include <memory>
#include <optional>

#include "ladder/nn/ladder_decoder.h"

namespace ladder {

/// Copy parameters, buffers, types and train or eval mode of `from` and its submodules into `to`,
/// on `device` or on the devices of `from`. What a user registered in `from` is registered in `to`
/// too; submodules are cloned, which those without clone() refuse. Error: a name of `to` that
/// `from` does not have.
void copy_state(const torch::nn::Module& from, torch::nn::Module& to,
                const std::optional<torch::Device>& device = std::nullopt);

/// Put `to` and its submodules into the train or eval mode of their counterparts in `from`.
void copy_mode(const torch::nn::Module& from, torch::nn::Module& to);

/// Give `to` a clone of a network's decoder in place of the one that it was built with: what its
/// combinators and maps hold beside tensors is copied too.
template <class Network>
void clone_decoder(const LadderDecoder& decoder, Network& to,
                   const std::optional<torch::Device>& device) {
  if (decoder.is_empty()) return;
  to.decoder = to.replace_module(
      "decoder",
      LadderDecoder(std::dynamic_pointer_cast<LadderDecoderImpl>(decoder.ptr()->clone(device))));
}

/// Make `to`, a child that the reset() of a Cloneable parent made, a clone of its counterpart
/// `from`: what torch::nn::Module::clone_ is for.
template <class Derived>
void clone_into(Derived& to, const torch::nn::Module& from,
                const std::optional<torch::Device>& device) {
  const auto copy = std::dynamic_pointer_cast<Derived>(from.clone(device));
  TORCH_CHECK(copy, "clone: expected a child of the kind ", to.name(), " but got ", from.name(),
              " (does reset() make the same children each time?).");
  to = *copy;
}

}  // namespace ladder
