// A model file. With an odd first byte the rest is its text, stored with the tensors of a small
// network; otherwise the rest is the whole file, whose records get correct checksums.
#include "ladder/runs/model_file.h"

#include "ladder/classifier.h"
#include "ladder/io/tensor_file.h"
#include "tests/fuzz/support.h"
#include "tests/fuzz/zip_records.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (size > 0 && data[0] % 2 == 0 && seed % 8 != 0) {
    ladder::fuzz::mend_records(data + 1, size - 1);
  }
  return size;
}

namespace {

// Tensors of the calibrated network of 1 input and 2 classes that the texts of the corpus describe.
ladder::io::TensorMap small_network() {
  ladder::models::NetworkOptions options;
  options.input_shape = {1};
  options.layers = {ladder::models::Dense{2}};
  options.lambda = {1, 1};
  auto net = ladder::models::network(options);
  ladder::io::TensorMap tensors;
  for (const auto& item : net->named_parameters()) {
    tensors["network." + item.key()] = item.value().detach();
  }
  for (const auto& item : net->named_buffers()) {
    const bool count = item.key().ends_with(".batches");  // of calibration
    tensors["network." + item.key()] = count ? torch::ones_like(item.value()) : item.value();
  }
  return tensors;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static const fuzz::Folder folder;
  static io::TensorMap tensors = small_network();
  fuzz::Input input(data, size);
  const bool text = input.byte() % 2 == 1;
  auto path = folder.path() / "model";
  if (text) {
    tensors["model.json"] = io::text_tensor(input.rest());
    io::save_tensors(path, tensors);
  } else {
    folder.write("model", input.rest());
  }
  fuzz::expect_sentence([&] {
    const auto stored = runs::load_model(path);
    const auto again = folder.path() / "again";
    runs::save_model(again, stored);
    const auto bytes = fuzz::bytes_of(again);
    runs::save_model(again, runs::load_model(again));
    if (fuzz::bytes_of(again) != bytes) fuzz::fault("other bytes");
    const auto classifier = Classifier::load(path);
    if (const auto& images = stored.model.images; images && images->height * images->width < 9999) {
      classifier.predict_proba(
          at::zeros({2, images->channels, images->height, images->width}, at::kByte));
    }
  });
  return 0;
}
