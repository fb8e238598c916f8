// The module ladder_networks._core: tables, options and the classifier. What users call is Python
// around it (ladder_networks/_classifier.py).
#include <ATen/ATen.h>
#include <ladder/classifier.h>
#include <ladder/data/class_labels.h>
#include <ladder/data/features.h>
#include <ladder/data/label_notes.h>
#include <ladder/exports/formats.h>
#include <ladder/models/recipes.h>
#include <ladder/version.h>
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace py = pybind11;
namespace data = ladder::data;
namespace train = ladder::train;
using ladder::Classifier;
using ladder::ClassifierOptions;

// ---- Arrays

// Call f with a null pointer to the type of the array's values. Error: no real numbers.
template <class F>
void with_values(const py::array& array, const F& f) {
  const auto type = array.dtype();
  const auto is = [&](auto* value) {
    using T = std::remove_pointer_t<decltype(value)>;
    if (!type.is(py::dtype::of<T>()) && !type.equal(py::dtype::of<T>())) return false;
    f(value);
    return true;
  };
  const bool known = is(static_cast<double*>(nullptr)) || is(static_cast<float*>(nullptr)) ||
                     is(static_cast<int64_t*>(nullptr)) || is(static_cast<int32_t*>(nullptr)) ||
                     is(static_cast<int16_t*>(nullptr)) || is(static_cast<int8_t*>(nullptr)) ||
                     is(static_cast<uint64_t*>(nullptr)) || is(static_cast<uint32_t*>(nullptr)) ||
                     is(static_cast<uint16_t*>(nullptr)) || is(static_cast<uint8_t*>(nullptr)) ||
                     is(static_cast<bool*>(nullptr));
  if (!known) {
    throw py::value_error("Table: expected real numbers in native byte order but got " +
                          py::repr(type).cast<std::string>() + ".");
  }
}

// Values of one column where they lie, whatever their stride.
std::vector<double> column_of(const py::array& array, const char* begin, py::ssize_t stride,
                              py::ssize_t rows) {
  std::vector<double> values(static_cast<size_t>(rows));
  with_values(array, [&]<class T>(T*) {
    const py::gil_scoped_release release;
    for (py::ssize_t row = 0; row < rows; ++row) {
      T value;
      std::memcpy(&value, begin + row * stride, sizeof(T));  // rows of records are not aligned
      values[static_cast<size_t>(row)] = static_cast<double>(value);
    }
  });
  return values;
}

bool is_single(const py::array& array) { return array.dtype().equal(py::dtype::of<float>()); }

struct TableBuilder {
  data::Table table = {};

  explicit TableBuilder(int64_t rows) { table.rows = rows; }

  void expect_rows(py::ssize_t rows, const std::string& name) const {
    if (rows != table.rows) {
      throw py::value_error("Table: expected " + std::to_string(table.rows) +
                            " values in column '" + name + "' but got " + std::to_string(rows) +
                            ".");
    }
  }

  void add_numbers(const std::string& name, const py::array& values) {
    if (values.ndim() != 1) throw py::value_error("Table: expected a column of one dimension.");
    expect_rows(values.shape(0), name);
    table.columns.push_back({.name = name,
                             .kind = data::ColumnKind::kNumber,
                             .numbers = column_of(values, static_cast<const char*>(values.data()),
                                                  values.strides(0), values.shape(0)),
                             .single = is_single(values)});
  }

  void add_matrix(const std::vector<std::string>& names, const py::array& values) {
    if (values.ndim() != 2 || values.shape(1) != static_cast<py::ssize_t>(names.size())) {
      throw py::value_error("Table: expected a matrix with a column for each of " +
                            std::to_string(names.size()) + " names.");
    }
    table.array_columns = values.shape(1);
    for (size_t c = 0; c < names.size(); ++c) {
      expect_rows(values.shape(0), names[c]);
      const char* begin =
          static_cast<const char*>(values.data()) + static_cast<py::ssize_t>(c) * values.strides(1);
      table.columns.push_back(
          {.name = names[c],
           .kind = data::ColumnKind::kNumber,
           .numbers = column_of(values, begin, values.strides(0), values.shape(0)),
           .single = is_single(values)});
    }
  }

  void add_texts(const std::string& name,
                 const py::array_t<int32_t, py::array::c_style | py::array::forcecast>& codes,
                 std::vector<std::string> levels) {
    expect_rows(codes.size(), name);
    data::Column column{.name = name,
                        .kind = data::ColumnKind::kText,
                        .codes = {codes.data(), codes.data() + codes.size()},
                        .levels = std::move(levels)};
    const auto count = static_cast<int32_t>(column.levels.size());
    for (const auto code : column.codes) {
      if (code < -1 || code >= count) {
        throw py::value_error("Table: expected codes from -1 to " + std::to_string(count - 1) +
                              " in column '" + name + "' but got " + std::to_string(code) + ".");
      }
    }
    table.columns.push_back(std::move(column));
  }
};

// Images [N, H, W] or [N, C, H, W] where they lie. The array must outlive the tensor.
at::Tensor images_of(const py::array& array) {
  if (!array.dtype().equal(py::dtype::of<uint8_t>()) || (array.ndim() != 3 && array.ndim() != 4)) {
    throw py::value_error("Images: expected uint8 [N, H, W] or [N, C, H, W].");
  }
  const auto like = [&](const auto* values) {
    return std::vector<int64_t>(values, values + array.ndim());
  };
  const auto strides = like(array.strides());
  const bool forward =
      std::all_of(strides.begin(), strides.end(), [](int64_t stride) { return stride >= 0; });
  // A tensor has no negative strides; those arrays are copied.
  const auto kept = forward ? array : py::array_t<uint8_t, py::array::c_style>::ensure(array);
  auto* const values = const_cast<void*>(kept.data());
  const std::vector<int64_t> shape(kept.shape(), kept.shape() + kept.ndim());
  const std::vector<int64_t> steps(kept.strides(), kept.strides() + kept.ndim());
  const auto tensor = at::from_blob(values, shape, steps, at::kByte);
  return forward ? tensor : tensor.clone();
}

py::array_t<float> array_of(const at::Tensor& tensor) {
  const auto dense = tensor.to(at::kCPU, at::kFloat).contiguous();
  auto* const owner = new at::Tensor(dense);
  const py::capsule capsule(owner, [](void* held) { delete static_cast<at::Tensor*>(held); });
  return py::array_t<float>(dense.sizes().vec(), dense.const_data_ptr<float>(), capsule);
}

// ---- Labels

std::vector<std::string> label_notes(const TableBuilder& table, const std::string& label,
                                     const std::vector<std::string>& classes) {
  return data::label_notes(table.table.column(label), classes);
}

// ---- Training

constexpr auto kBetweenSignals = std::chrono::milliseconds(50);

// Looks for Ctrl-C and reports progress during a training that runs without the GIL.
class Watch {
 public:
  explicit Watch(py::object progress) : progress_(std::move(progress)) {}

  static train::TrainCallbacks callbacks(const std::shared_ptr<Watch>& watch) {
    train::TrainCallbacks calls;
    calls.stop_requested = [watch] { return watch->stop_requested(); };
    calls.on_evaluation = [watch](const train::Evaluation& e) { watch->curve_.push_back(e); };
    if (!watch->progress_.is_none()) {
      calls.on_progress = [watch](const train::Progress& p) {
        const py::gil_scoped_acquire acquire;
        watch->guarded([&] { watch->progress_(p.step, p.steps, p.total); });
      };
    }
    return calls;
  }

  // Networks of folds are trained after the main one, which takes `steps`.
  static void tell_folds(const std::shared_ptr<Watch>& watch, ClassifierOptions& options) {
    if (watch->progress_.is_none()) return;
    options.on_start = [watch](const auto&, int64_t steps) { watch->main_steps_ = steps; };
    options.on_fold = [watch](const ladder::FoldProgress& at) {
      const py::gil_scoped_acquire acquire;
      const auto& network = at.network;
      const auto step = watch->main_steps_ + (at.fold - 1) * network.steps + network.step;
      const auto steps = watch->main_steps_ + at.folds * network.steps;
      watch->guarded([&] { watch->progress_(step, steps, network.total); });
    };
  }

  const std::vector<train::Evaluation>& curve() const { return curve_; }

  // Forget the function of the caller, and throw the error that it or a signal has raised.
  void end() {
    progress_ = py::none();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  bool stop_requested() {
    if (interrupted_ || error_) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_ < kBetweenSignals) return false;
    looked_ = now;
    const py::gil_scoped_acquire acquire;
    guarded([] {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    });
    return interrupted_ || error_;
  }

  // KeyboardInterrupt ends the training; other errors also end the call of `fit`.
  template <class F>
  void guarded(const F& f) {
    try {
      f();
    } catch (py::error_already_set& error) {
      if (error.matches(PyExc_KeyboardInterrupt)) {
        interrupted_ = true;
      } else {
        error_ = std::current_exception();
      }
    }
  }

  py::object progress_;
  std::vector<train::Evaluation> curve_;
  int64_t main_steps_ = 0;
  std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
  bool interrupted_ = false;
  std::exception_ptr error_;
};

py::object or_none(const std::optional<double>& value) {
  return value ? py::cast(*value) : py::none();
}

py::dict to_dict(const ladder::FitReport& report, const Watch& watch) {
  py::list curve;
  for (const auto& e : watch.curve()) {
    py::list denoising;
    for (const auto& cost : e.denoising) denoising.append(or_none(cost));
    py::dict point;
    point["epoch"] = e.epoch;
    point["step"] = e.step;
    point["supervised_cost"] = or_none(e.supervised);
    point["denoising_costs"] = denoising;
    point["total_cost"] = e.total;
    point["validation_error"] = or_none(e.validation_error);
    point["seconds"] = e.seconds;
    curve.append(point);
  }
  py::dict result;
  result["status"] = train::to_string(report.training.status);
  result["rows"] = report.rows;
  result["labeled_rows"] = report.labeled;
  result["epochs"] = report.config.epochs;
  result["steps"] = report.training.steps;
  result["seconds"] = report.training.seconds;
  result["curve"] = curve;
  result["held_back"] = report.held_back.method;
  const auto& held_back = report.held_back;
  if (held_back.labels.defined()) {
    const auto labels = held_back.labels.contiguous();
    const auto rows = held_back.rows.contiguous();
    result["held_back_rows"] = py::array_t<int64_t>(rows.numel(), rows.const_data_ptr<int64_t>());
    result["held_back_labels"] =
        py::array_t<int64_t>(labels.numel(), labels.const_data_ptr<int64_t>());
    if (held_back.probabilities.defined()) {
      result["held_back_probabilities"] = array_of(held_back.probabilities);
    } else {
      result["held_back_error"] = held_back.metrics->error;
    }
  }
  return result;
}

// Train without the GIL and return the classifier with its report.
template <class Fit>
py::tuple trained(ClassifierOptions options, const py::object& progress, const Fit& fit) {
  // The classifier keeps the callbacks, so they share what they refer to.
  const auto watch = std::make_shared<Watch>(progress);
  options.callbacks = Watch::callbacks(watch);
  Watch::tell_folds(watch, options);
  auto classifier = std::make_unique<Classifier>(std::move(options));
  ladder::FitReport report;
  {
    const py::gil_scoped_release release;
    report = fit(*classifier);
  }
  watch->end();
  return py::make_tuple(py::cast(std::move(classifier)), to_dict(report, *watch));
}

py::tuple fit_table(const ClassifierOptions& options, const TableBuilder& table,
                    const std::string& label, const py::object& progress) {
  return trained(options, progress,
                 [&](Classifier& classifier) { return classifier.fit(table.table, label); });
}

py::tuple fit_images(const ClassifierOptions& options, const py::array& images,
                     const py::array_t<int64_t, py::array::c_style>& labels,
                     std::vector<std::string> classes, const py::object& progress) {
  data::Samples samples{.images = images_of(images), .classes = std::move(classes)};
  if (samples.images.dim() == 3) samples.images = samples.images.unsqueeze(1);
  samples.labels = at::from_blob(const_cast<int64_t*>(labels.data()), {labels.size()}, at::kLong);
  return trained(options, progress,
                 [&](Classifier& classifier) { return classifier.fit(samples); });
}

template <class Rows>
py::array_t<float> predict(const Classifier& classifier, const Rows& rows) {
  at::Tensor probabilities;
  {
    const py::gil_scoped_release release;
    probabilities = classifier.predict_proba(rows);
  }
  return array_of(probabilities);
}

py::list inputs_of(const Classifier& classifier) {
  py::list columns;
  if (const auto& features = classifier.model().features) {
    for (const auto& column : features->columns) {
      const bool number = column.kind == data::ColumnKind::kNumber;
      columns.append(py::make_tuple(column.name, number ? "number" : "text", column.dropped));
    }
  }
  return columns;
}

// Columns of which the training has something to say: names and notes.
py::list notes_of(const Classifier& classifier) {
  py::list notes;
  if (const auto& features = classifier.model().features) {
    for (const auto& column : features->columns) {
      if (!column.note.empty()) notes.append(py::make_tuple(column.name, column.note));
    }
  }
  return notes;
}

// Values of each used column that are unlike those of training: name, whether they are texts, how
// many are present, how many of these are strange, whether texts that were rare are among them.
py::list strange_values(const Classifier& classifier, const TableBuilder& table) {
  std::vector<data::StrangeValues> found;
  if (const auto& features = classifier.model().features) {
    const py::gil_scoped_release release;
    found = data::strange_values(*features, table.table);
  }
  py::list columns;
  for (const auto& column : found) {
    columns.append(py::make_tuple(column.name, column.kind == data::ColumnKind::kText,
                                  column.present, column.strange, column.rare));
  }
  return columns;
}

py::object image_shape(const Classifier& classifier) {
  const auto& images = classifier.model().images;
  if (!images) return py::none();
  return py::make_tuple(images->channels, images->height, images->width);
}

c10::Device device_of(const std::string& name) {
  std::optional<c10::Device> device;
  try {
    device = c10::Device(name);
  } catch (const c10::Error&) {
    TORCH_CHECK(false, "Classifier: expected the CPU or a CUDA device but got '", name, "'.");
  }
  TORCH_CHECK(!device->is_cuda() || at::hasCUDA(), "Classifier: expected a device of this machine ",
              "but got '", name, "' (LibTorch finds no CUDA device and driver).");
  return *device;
}

// A message of LibTorch, TORCH_CHECK's in our own code: one sentence without a stack trace.
void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const c10::Error& error) {
    py::set_error(PyExc_ValueError, error.what_without_backtrace());
  }
}

// Write a model in the format that the ending of the path names.
void export_model(const Classifier& classifier, const std::filesystem::path& path) {
  ladder::exports::write_model(path, classifier.model());
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  py::register_local_exception_translator(&translate);
  m.attr("version") = ladder::version();
  m.attr("far_from") = data::kFarFrom;

  py::class_<TableBuilder>(m, "Table")
      .def(py::init<int64_t>(), py::arg("rows"))
      .def("add_numbers", &TableBuilder::add_numbers, py::arg("name"), py::arg("values"))
      .def("add_matrix", &TableBuilder::add_matrix, py::arg("names"), py::arg("values"))
      .def("add_texts", &TableBuilder::add_texts, py::arg("name"), py::arg("codes"),
           py::arg("levels"));

  py::class_<ClassifierOptions>(m, "Options")
      .def(py::init<>())
      .def_readwrite("layers", &ClassifierOptions::layers)
      .def_readwrite("convolutional", &ClassifierOptions::convolutional)
      .def_readwrite("combinator", &ClassifierOptions::combinator)
      .def_readwrite("denoising_weights", &ClassifierOptions::lambda)
      .def_readwrite("input_weight", &ClassifierOptions::input_weight)
      .def_readwrite("labels_alone", &ClassifierOptions::labels_alone)
      .def_readwrite("noise", &ClassifierOptions::noise)
      .def_readwrite("epochs", &ClassifierOptions::epochs)
      .def_readwrite("minutes", &ClassifierOptions::minutes)
      .def_readwrite("learning_rate", &ClassifierOptions::learning_rate)
      .def_readwrite("batch_size", &ClassifierOptions::unlabeled_batch)
      .def_readwrite("labeled_batch_size", &ClassifierOptions::labeled_batch)
      .def_readwrite("validation", &ClassifierOptions::validation)
      .def_readwrite("folds", &ClassifierOptions::folds)
      .def_readwrite("seed", &ClassifierOptions::seed)
      .def_readwrite("labels_are_classes", &ClassifierOptions::labels_are_classes)
      .def_readwrite("folder", &ClassifierOptions::folder)
      .def_readwrite("resume", &ClassifierOptions::resume)
      .def_readwrite("program", &ClassifierOptions::program)
      .def("set_activation",
           [](ClassifierOptions& options, const std::string& name) {
             options.activation = ladder::activation_from_string(name);
           })
      .def("set_balance",
           [](ClassifierOptions& options, const std::string& name) {
             options.balance = ladder::class_balance_from_string(name);
           })
      .def("set_precision",
           [](ClassifierOptions& options, const std::string& name) {
             options.precision = ladder::models::precision_from_string(name);
           })
      .def("set_device", [](ClassifierOptions& options,
                            const std::string& name) { options.device = device_of(name); })
      .def("set_row_weights",
           [](ClassifierOptions& options,
              const py::array_t<double, py::array::c_style | py::array::forcecast>& weights) {
             options.row_weights =
                 at::from_blob(const_cast<double*>(weights.data()), {weights.size()}, at::kDouble)
                     .clone();
           });

  py::class_<Classifier>(m, "Classifier")
      .def_static("load", &Classifier::load, py::arg("path"),
                  py::call_guard<py::gil_scoped_release>())
      .def("save", &Classifier::save, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def("export", &export_model, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("classes", &Classifier::classes)
      .def_property_readonly("label", &Classifier::label)
      .def_property_readonly("inputs", &inputs_of)
      .def_property_readonly("notes", &notes_of)
      .def_property_readonly("image_shape", &image_shape)
      .def_property_readonly("facts",
                             [](const Classifier& classifier) { return classifier.model().facts; })
      .def(
          "predict_table",
          [](const Classifier& classifier, const TableBuilder& table) {
            return predict(classifier, table.table);
          },
          py::arg("table"))
      .def("strange_values", &strange_values, py::arg("table"))
      .def(
          "predict_images",
          [](const Classifier& classifier, const py::array& images) {
            return predict(classifier, images_of(images));
          },
          py::arg("images"));

  m.def("has_decimal_commas", &data::has_decimal_commas, py::arg("texts"));
  m.def("ordered_classes", &data::ordered_classes, py::arg("names"));
  m.def("class_places", &data::class_places, py::arg("texts"), py::arg("classes"));
  m.def("label_notes", &label_notes, py::arg("table"), py::arg("label"), py::arg("classes"));
  m.def("fit_table", &fit_table, py::arg("options"), py::arg("table"), py::arg("label"),
        py::arg("progress"));
  m.def("fit_images", &fit_images, py::arg("options"), py::arg("images"), py::arg("labels"),
        py::arg("classes"), py::arg("progress"));
}
