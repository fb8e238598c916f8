#include "ladder/nn/internal/encoder.h"

#include <torch/torch.h>

#include <algorithm>

#include "ladder/core/finite.h"
#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/rows_apart.h"

namespace ladder {

namespace {

torch::Tensor rows_of_zeros(const char* owner, const std::vector<int64_t>& row,
                            const torch::TensorOptions& options) {
  TORCH_CHECK(!row.empty(), owner,
              ": expected the shape of one input row but got an empty input_shape.");
  TORCH_CHECK(std::all_of(row.begin(), row.end(), [](int64_t size) { return size > 0; }), owner,
              ": expected an input_shape of sizes above 0 but got ", at::IntArrayRef(row), ".");
  auto sizes = row;
  sizes.insert(sizes.begin(), 2);
  try {
    return torch::zeros(sizes, options);
  } catch (const c10::Error&) {
    TORCH_CHECK(false, owner, ": expected an input_shape whose rows fit into memory but got ",
                at::IntArrayRef(row), ".");
  }
}

// A normalisation that is no child of its stage is in no file and on no other device.
void check_registered(const char* owner, size_t number, const torch::nn::Module& stage,
                      const CalibrationRun& calibration, size_t already) {
  const auto modules = stage.modules();
  const auto& measured = calibration.measured_in_batch();
  for (size_t i = already; i < measured.size(); ++i) {
    const auto* module = dynamic_cast<const torch::nn::Module*>(measured[i]);
    const bool registered =
        module == nullptr || std::any_of(modules.begin(), modules.end(),
                                         [&](const auto& child) { return child.get() == module; });
    TORCH_CHECK(registered, owner, ": expected stage ", number,
                " to have registered what stores statistics but got ", module->name(),
                " that is no child of it (call register_module: files and copies would lack it).");
  }
}

}  // namespace

void register_stages(torch::nn::Module& owner, const Stages& stages) {
  const auto list = owner.register_module("stages", std::make_shared<torch::nn::Module>());
  for (size_t l = 0; l < stages.size(); ++l) {
    list->register_module(std::to_string(l), stages[l].module());
  }
}

std::vector<const torch::nn::Module*> modules_of(const Stages& stages) {
  std::vector<const torch::nn::Module*> modules;
  for (const auto& stage : stages) modules.push_back(stage.module().get());
  return modules;
}

bool are_stages(const Stages& stages, const std::vector<const torch::nn::Module*>& modules) {
  return std::equal(stages.begin(), stages.end(), modules.begin(), modules.end(),
                    [](const AnyStage& stage, const torch::nn::Module* module) {
                      return stage.module().get() == module;
                    });
}

std::vector<std::vector<int64_t>> probe_shapes(const char* owner,
                                               const std::vector<int64_t>& input_shape,
                                               const Stages& stages) {
  TORCH_CHECK(!stages.empty(), owner, ": expected at least one stage but got none.");
  for (size_t l = 0; l < stages.size(); ++l) {
    for (size_t below = 0; below < l; ++below) {
      TORCH_CHECK(stages[l].module() != stages[below].module(), owner,
                  ": expected a module of its own for each stage but got one module as stages ",
                  below + 1, " and ", l + 1,
                  " (it would store the statistics of both: make another one, or clone() it).");
    }
  }
  for (size_t l = 0; l < stages.size(); ++l) {
    check_rows_apart(owner, c10::str("stage ", l + 1), "to treat", *stages[l].module(),
                     c10::str("stages.", l), RowsApart::kTraining);
  }
  const torch::NoGradGuard no_grad;
  std::vector<std::vector<int64_t>> shapes = {input_shape};
  const auto like = any_tensor(stages);  // of any stage: a pooling has no parameters
  auto h =
      rows_of_zeros(owner, input_shape, like.defined() ? like.options() : torch::TensorOptions());
  for (size_t l = 0; l < stages.size(); ++l) {
    const auto given = h;
    const auto version = given.is_inference() ? 0 : given._version();
    try {
      h = stages[l]->forward(given, Pass::clean(2, Statistics::kBatch)).h;
    } catch (const c10::Error& error) {
      TORCH_CHECK(false, error.what_without_backtrace(), " (stage ", l + 1, " of ", owner, ")");
    }
    TORCH_CHECK(given.is_inference() || given._version() == version, owner, ": expected stage ",
                l + 1, " to leave its input as it is but got it changed in place ",
                "(is one of its modules built with inplace(true)?).");
    TORCH_CHECK(h.defined(), owner, ": expected stage ", l + 1,
                " to give rows but got an undefined tensor.");
    TORCH_CHECK(h.dim() >= 2 && h.size(0) == 2, owner, ": expected stage ", l + 1,
                " to keep its 2 rows but got an output of shape ", h.sizes(), ".");
    shapes.push_back(h.sizes().slice(1).vec());
  }
  return shapes;
}

torch::Tensor run_clean(const Stages& stages, const torch::Tensor& x, const Pass& pass) {
  auto h = x;
  auto bare = pass;
  bare.compared = false;
  for (const auto& stage : stages) {
    h = stage->forward(h, bare).h;
  }
  return h;
}

Stages clone_stages(const Stages& stages, const std::optional<torch::Device>& device) {
  Stages copies;
  for (const auto& stage : stages) {
    copies.push_back(stage.clone(device));
    copy_mode(*stage.module(), *copies.back().module());  // which check_rows_apart looks at
  }
  return copies;
}

namespace {

// A parameter or, where there is none, a floating buffer: its type and device are the module's.
torch::Tensor any_tensor(const torch::nn::Module& module) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    return item.value();
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    if (item.value().is_floating_point()) {
      return item.value();
    }
  }
  for (const auto& child : module.children()) {
    if (auto found = any_tensor(*child); found.defined()) {
      return found;
    }
  }
  return {};
}

void check_shape(const char* owner, const char* name, const torch::Tensor& x,
                 const std::vector<int64_t>& row) {
  TORCH_CHECK(x.defined(), owner, ": expected ", name, " to hold rows of shape ",
              at::IntArrayRef(row), " but got an undefined tensor.");
  TORCH_CHECK(x.sizes() != row, owner, ": expected ", name, " to hold rows of shape ",
              at::IntArrayRef(row), " but got one row without the batch dimension (", name,
              ".unsqueeze(0) is a batch of one row).");
  TORCH_CHECK(x.dim() >= 2 && x.sizes().slice(1) == row, owner, ": expected ", name,
              " to hold rows of shape ", at::IntArrayRef(row), " but got ", x.sizes(), ".");
}

void check_type(const char* owner, const char* name, const torch::Tensor& x,
                const torch::Tensor& like) {
  const bool same = !like.defined() ||
                    (x.device() == like.device() &&
                     (x.scalar_type() == like.scalar_type() || x.scalar_type() == torch::kByte));
  TORCH_CHECK(same, owner, ": expected ", name, " in ", c10::toString(like.scalar_type()), " on ",
              like.device(), " like the network, or in Byte, but got ",
              c10::toString(x.scalar_type()), " on ", x.device(), ".");
}

torch::Tensor scaled(const torch::Tensor& x, const torch::Tensor& like) {
  return floating_rows(x, like.defined() ? like.scalar_type() : torch::kFloat);
}

}  // namespace

torch::Tensor any_tensor(const Stages& stages) {
  for (const auto& stage : stages) {
    if (auto found = any_tensor(*stage.module()); found.defined()) {
      return found;
    }
  }
  return {};
}

void move_to_stages(torch::nn::Module& module, const Stages& stages) {
  const auto like = any_tensor(stages);
  const auto parameters = module.parameters();
  if (like.defined() && std::any_of(parameters.begin(), parameters.end(), [&](const auto& p) {
        return p.scalar_type() != like.scalar_type() || p.device() != like.device();
      })) {
    module.to(like.device(), like.scalar_type());
  }
}

torch::Tensor accept_rows(const char* owner, const char* name, const torch::Tensor& x,
                          const std::vector<int64_t>& row, const torch::Tensor& like, RowUse use) {
  check_shape(owner, name, x, row);
  const auto rows = x.size(0);
  TORCH_CHECK(use == RowUse::kPredict || rows != 1, owner, ": expected at least 2 rows of ", name,
              " but got 1 (rows are normalised by their own statistics, and one row has none: it "
              "would become 0).");
  TORCH_CHECK(rows > 0, owner, ": expected at least ", use == RowUse::kPredict ? "1 row" : "2 rows",
              " of ", name, " but got 0.");
  check_type(owner, name, x, like);
  if (x.is_cpu()) {
    check_finite(owner, name, x);
  }
  return scaled(x, like);
}

void check_calibration_rows(const char* owner, const torch::Tensor& inputs,
                            const std::vector<int64_t>& row, const Stages& stages) {
  check_shape(owner, "inputs", inputs, row);
  check_type(owner, "inputs", inputs, any_tensor(stages));
  check_finite(owner, "inputs", inputs);
}

void calibrate_stages(const char* owner, const Stages& stages, int64_t rows,
                      const std::function<torch::Tensor(int64_t begin, int64_t end)>& rows_of,
                      const std::vector<int64_t>& row, int64_t batch_size) {
  TORCH_CHECK(rows >= 2 && batch_size >= 2, owner,
              ": expected at least 2 rows and a batch size of at least 2 to calibrate but got ",
              rows, " and ", batch_size, ".");
  TORCH_CHECK(rows_of, owner, ": expected a function that gives rows to calibrate but got none.");
  const torch::NoGradGuard no_grad;
  const auto like = any_tensor(stages);
  CalibrationRun calibration;
  try {
    for (int64_t begin = 0; begin < rows;) {
      auto end = std::min(begin + batch_size, rows);
      // One row has no statistics, so a batch of one joins the one before too.
      if (rows - end < std::max<int64_t>((batch_size + 1) / 2, 2)) {
        end = rows;
      }
      auto pass = Pass::clean(end - begin, Statistics::kCalibrate);
      pass.compared = false;
      pass.calibration = &calibration;
      auto h = accept_rows(owner, "inputs", rows_of(begin, end), row, like, RowUse::kMeasure);
      TORCH_CHECK(h.size(0) == end - begin, owner, ": expected ", end - begin,
                  " rows of a batch to calibrate on but got ", h.size(0), ".");
      calibration.next_batch();
      for (size_t l = 0; l < stages.size(); ++l) {
        const auto before = calibration.measured();
        const auto already = calibration.measured_in_batch().size();
        h = stages[l]->forward(h, pass).h;
        TORCH_CHECK(
            calibration.measured() > before, owner, ": expected stage ", l + 1,
            " to measure its statistics in calibrate but it measured none (give its pass to "
            "a NoisyNormalization, or call pass.calibration->measure).");
        check_registered(owner, l + 1, *stages[l].module(), calibration, already);
      }
      begin = end;
    }
  } catch (...) {
    calibration.abandon();
    throw;
  }
}

void check_labels(const char* owner, const torch::Tensor& y, int64_t rows, int64_t classes,
                  torch::Device device) {
  TORCH_CHECK(y.defined() && y.dim() == 1 && y.scalar_type() == torch::kLong && y.size(0) == rows,
              owner, ": expected y to be int64 [", rows, "] but got ", type_and_shape_text(y), ".");
  TORCH_CHECK(y.device() == device, owner, ": expected y on ", device,
              " like the rows but got it on ", y.device(), ".");
  if (!y.is_cpu()) {
    return;
  }
  const auto labels = y.accessor<int64_t, 1>();
  for (int64_t r = 0; r < rows; ++r) {
    const auto label = labels[r];
    TORCH_CHECK(label >= 0 && label < classes, owner, ": expected labels in 0..", classes - 1,
                " but got ", label, " in row ", r, " of y",
                label < 0 ? " (rows without a label belong into x_unlabeled)."
                          : " (classes count from 0).");
  }
}

}  // namespace ladder
