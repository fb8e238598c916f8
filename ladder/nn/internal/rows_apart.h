/// Modules that a stage may not hold.
#pragma once

#include <torch/nn/module.h>

#include <string>

namespace ladder {

/// Which modules `check_rows_apart` looks at.
enum class RowsApart {
  kAll,
  kTraining,  ///< those in training mode: others compute each row by itself
};

/// Check that `module` treats each row by itself: a stage gets the rows of all groups at once, and
/// may not tell them apart nor mix them.
///
/// Errors: a BatchNorm, an InstanceNorm with running statistics or a Dropout in it, by its place
/// below `name`. They read "`owner`: expected `subject` without ...", or with `treats` after
/// `subject`.
void check_rows_apart(const char* owner, const std::string& subject, const char* treats,
                      const torch::nn::Module& module, const std::string& name, RowsApart which);

/// Put the modules of a stage that check_rows_apart refuses in training mode into eval mode, in
/// which it took them: train() of the network has reached them, too.
void keep_rows_apart(torch::nn::Module& stage);

}  // namespace ladder
