#include <ladder/io/events.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>

#include <filesystem>
#include <string>

using ladder::io::crc32c;
using ladder::io::cut_events;
using ladder::io::EventFile;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::run_python;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

// What TensorBoard's own reader finds in a folder: "tag step value" lines, texts last.
std::string read_by_tensorboard(const std::filesystem::path& folder) {
  const auto outcome = run_python(R"PY(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
events.Reload()
for tag in sorted(events.Tags()["scalars"]):
    for event in events.Scalars(tag):
        print(tag, event.step, event.value)
for tag in sorted(events.Tags()["tensors"]):
    for event in events.Tensors(tag):
        print(tag, event.step, event.tensor_proto.string_val[0].decode())
)PY",
                                  {folder.string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  return outcome.out;
}

void add_cost(EventFile& events, int64_t step, double cost) {
  events.add_scalars(step, {{"cost/total", cost}});
}

}  // namespace

TEST_CASE("crc32c gives the values of RFC 3720", "[io]") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
  CHECK(crc32c("123456789") == 0xE3069283);
}

TEST_CASE("TensorBoard reads what EventFile wrote", "[io][slow]") {
  if (!ladder::testing::python("tensorboard")) LADDER_SKIP(ladder::testing::kNoPython);
  const TemporaryFolder folder;
  EventFile events(folder.path());
  events.add_text(0, "config", "{\"seed\": 1} \xC3\xA9");
  events.add_scalars(10, {{"cost/denoising/0", 0.5}, {"error/test", 12.25}});
  events.add_scalars(20, {{"cost/denoising/0", 0.25}, {"error/test", 6.0}});
  CHECK(events.path() == folder / "events.out.tfevents.000001");
  CHECK(read_by_tensorboard(folder.path()) ==
        "cost/denoising/0 10 0.5\ncost/denoising/0 20 0.25\n"
        "error/test 10 12.25\nerror/test 20 6.0\n"
        "config 0 {\"seed\": 1} \xC3\xA9\n");
}

TEST_CASE("EventFile writes what its page shows", "[io]") {
  const TemporaryFolder place;
  const auto& folder = place.path();
  ladder::io::EventFile events(folder);
  events.add_text(0, "config", "width 200");
  events.add_scalars(100, {{"cost/total", 0.5}, {"error/test", 3.1}});
  const auto bytes = file_bytes(events.path());
  for (const char* text : {"config", "width 200", "cost/total", "error/test"}) {
    CHECK(bytes.find(text) != std::string::npos);
  }
}

TEST_CASE("EventFile goes on after a cut without doubled or torn steps", "[io][slow]") {
  if (!ladder::testing::python("tensorboard")) LADDER_SKIP(ladder::testing::kNoPython);
  const TemporaryFolder folder;
  {
    EventFile events(folder.path());
    for (const int64_t step : {1, 2, 3}) add_cost(events, step, static_cast<double>(step));
  }
  // A process that was killed while it wrote.
  const auto first = folder / "events.out.tfevents.000001";
  const auto whole = file_bytes(first);
  write_file(first, whole.substr(0, whole.size() - 5));

  cut_events(folder.path(), 2);
  EventFile second(folder.path(), 2);
  CHECK(second.path() == folder / "events.out.tfevents.000002");
  add_cost(second, 3, 30);
  add_cost(second, 4, 40);
  CHECK(read_by_tensorboard(folder.path()) ==
        "cost/total 1 1.0\ncost/total 2 2.0\ncost/total 3 30.0\ncost/total 4 40.0\n");

  cut_events(folder.path(), 3);
  EventFile third(folder.path(), 3);
  CHECK(third.path() == folder / "events.out.tfevents.000003");
  add_cost(third, 4, 400);
  CHECK(read_by_tensorboard(folder.path()) ==
        "cost/total 1 1.0\ncost/total 2 2.0\ncost/total 3 30.0\ncost/total 4 400.0\n");

  // Back to before the second part, which has nothing left.
  cut_events(folder.path(), 2);
  CHECK_FALSE(std::filesystem::exists(second.path()));
  CHECK_FALSE(std::filesystem::exists(third.path()));
  CHECK(read_by_tensorboard(folder.path()) == "cost/total 1 1.0\ncost/total 2 2.0\n");
}

TEST_CASE("A TensorBoard that is open drops the steps that a resumed run repeats", "[io][slow]") {
  if (!ladder::testing::python("tensorboard")) LADDER_SKIP(ladder::testing::kNoPython);
  const TemporaryFolder folder;
  EventFile first(folder.path());
  for (const int64_t step : {1, 2, 3}) add_cost(first, step, static_cast<double>(step));
  EventFile second(folder.path(), 1);  // as if the reader had read 2 and 3 before they were cut
  add_cost(second, 2, 20);
  CHECK(read_by_tensorboard(folder.path()) == "cost/total 1 1.0\ncost/total 2 20.0\n");
}

TEST_CASE("cut_events keeps whole events and other files", "[io]") {
  const TemporaryFolder folder;
  write_file(folder / "events.out.tfevents.1700000000.host", "of another program");
  EventFile events(folder.path());
  const auto empty = file_bytes(events.path()).size();
  add_cost(events, 1, 1);
  const auto one = file_bytes(events.path());
  add_cost(events, 5, 2);
  const auto two = file_bytes(events.path());

  cut_events(folder.path(), 5);
  CHECK(file_bytes(events.path()) == two);
  // Cut or changed at any byte, what stays is a prefix of whole events.
  for (size_t size = one.size(); size < two.size(); ++size) {
    CAPTURE(size);
    write_file(events.path(), two.substr(0, size));
    cut_events(folder.path(), 5);
    REQUIRE(file_bytes(events.path()) == one);
    auto changed = two;
    changed[size] = static_cast<char>(changed[size] ^ 0x10);
    write_file(events.path(), changed);
    cut_events(folder.path(), 5);
    REQUIRE(file_bytes(events.path()) == one);
  }
  write_file(events.path(), one.substr(0, empty + 3));
  cut_events(folder.path(), 5);
  CHECK_FALSE(std::filesystem::exists(events.path()));
  CHECK(file_bytes(folder / "events.out.tfevents.1700000000.host") == "of another program");
  cut_events(folder / "absent", 5);
}

TEST_CASE("EventFile names a folder that it cannot write in", "[io]") {
  const TemporaryFolder folder;
  CHECK(error_text([&] { EventFile(folder / "absent"); }) ==
        "EventFile: expected to write " + (folder / "absent/events.out.tfevents.000001").string() +
            " but got \"No such file or directory\".");
}
