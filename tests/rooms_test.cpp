// The rules of the tree, read from its include lines: which room may use which, what the umbrella
// headers hold, that internal headers stay inside, and that a header includes what it names.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/files_below.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using ladder::testing::file_bytes;
using ladder::testing::files_below;
using ladder::testing::source_folder;

// Names in include lines, without brackets or quotes.
std::vector<std::string> includes_of(const fs::path& path) {
  static const std::regex kInclude("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"].*");
  std::ifstream in(path);
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    if (std::smatch match; std::regex_match(line, match, kInclude)) names.push_back(match[1]);
  }
  return names;
}

bool is_source(const fs::path& path) {
  static const std::set<std::string> kEndings = {".h", ".cpp", ".inc", ".cu", ".cuh"};
  return kEndings.contains(path.extension().string());
}

bool is_public(const std::string& header) {
  return header.ends_with(".h") && header.find("/internal/") == std::string::npos &&
         header.find("/kernels/") == std::string::npos;
}

// Public headers as users include them: "ladder/nn/pass.h".
std::set<std::string> public_headers(const fs::path& base) {
  std::set<std::string> headers;
  for (const auto& path : files_below(base / "ladder")) {
    const std::string name = path.lexically_relative(base).string();
    if (is_public(name)) headers.insert(name);
  }
  return headers;
}

// Room of a file that is included as `name`, or nothing: "nn" of "ladder/nn/pass.h".
std::string room_of(const std::string& name) {
  if (name.starts_with("apps/")) return "apps";
  if (!name.starts_with("ladder/")) return "";
  const size_t end = name.find('/', 7);
  return end == std::string::npos ? "" : name.substr(7, end - 7);
}

using Rooms = std::set<std::string>;

// What each room may include besides itself, LibTorch and the standard library.
const std::map<std::string, Rooms>& arrows() {
  static const std::map<std::string, Rooms> kArrows = {
      {"core", {}},
      {"io", {}},
      {"data", {"core", "io", "ops"}},
      {"ops", {"core"}},
      {"nn", {"core", "ops"}},
      {"models", {"core", "data", "nn", "ops"}},
      {"exports", {"core", "data", "io", "models", "nn", "ops"}},
      {"train", {"core", "data", "io", "nn", "ops"}},
      {"runs", {"core", "data", "exports", "io", "models", "nn", "ops", "train"}},
      // The parts of ladder/classifier.cpp.
      {"internal", {"core", "data", "exports", "io", "models", "nn", "ops", "runs", "train"}},
      {"apps", {"core", "data", "exports", "io", "models", "nn", "ops", "runs", "train"}},
  };
  return kArrows;
}

// A header that must be included, by the file or by what it includes of ours, where a pattern is
// used. Any of the headers serves.
struct Need {
  std::regex used;
  std::vector<std::string> headers;
};

const std::vector<Need>& needs() {
  static const std::vector<std::string> kTensor = {"ATen/ATen.h", "ATen/core/Tensor.h",
                                                   "torch/types.h"};
  static const std::vector<Need> kNeeds = {
      {std::regex("\\bstd::array\\b"), {"array"}},
      {std::regex("\\bstd::atomic\\b"), {"atomic"}},
      {std::regex("\\bstd::chrono\\b"), {"chrono"}},
      {std::regex("\\bu?int(8|16|32|64)_t\\b"), {"cstdint"}},
      {std::regex("\\bstd::filesystem\\b"), {"filesystem"}},
      {std::regex("\\bstd::[io]?fstream\\b"), {"fstream"}},
      {std::regex("\\bstd::function\\b"), {"functional"}},
      {std::regex("\\bstd::map\\b"), {"map"}},
      {std::regex("\\bstd::(shared|unique|weak)_ptr\\b|\\bstd::make_(shared|unique)\\b"),
       {"memory"}},
      {std::regex("\\bstd::mutex\\b"), {"mutex"}},
      {std::regex("\\bstd::optional\\b"), {"optional"}},
      {std::regex("\\bstd::set\\b"), {"set"}},
      {std::regex("\\bstd::runtime_error\\b"), {"stdexcept"}},
      {std::regex("\\bstd::string\\b|\\bstd::to_string\\b"), {"string"}},
      {std::regex("\\bstd::string_view\\b"), {"string_view"}},
      {std::regex("\\bstd::tuple\\b"), {"tuple"}},
      {std::regex("\\bstd::is_[a-z_]+\\b|\\bstd::enable_if\\b"), {"type_traits", "concepts"}},
      {std::regex("\\bstd::(move|forward|pair|exchange)\\b"), {"utility"}},
      {std::regex("\\bstd::variant\\b"), {"variant"}},
      {std::regex("\\bstd::vector\\b"), {"vector"}},
      {std::regex("\\b(torch|at)::Tensor\\b"), kTensor},
      {std::regex("\\btorch::(Dtype|ScalarType|k[A-Z][A-Za-z0-9]*)\\b"), {"torch/types.h"}},
      {std::regex("\\btorch::nn::Module\\b"), {"torch/nn/module.h"}},
      {std::regex("\\btorch::nn::Cloneable\\b"), {"torch/nn/cloneable.h"}},
      {std::regex("\\bTORCH_MODULE(_IMPL)?\\b"), {"torch/nn/pimpl.h"}},
      {std::regex("\\btorch::nn::AnyModule\\b"), {"torch/nn/modules/container/any.h"}},
      {std::regex("\\btorch::nn::Sequential\\b"), {"torch/nn/modules/container/sequential.h"}},
      {std::regex("\\btorch::ExpandingArray\\b"), {"torch/expanding_array.h"}},
      {std::regex("\\btorch::nn::Conv[123]dOptions\\b"), {"torch/nn/options/conv.h"}},
  };
  return kNeeds;
}

// LibTorch's headers that are sure to include others of the table.
void add_known(std::set<std::string>& names) {
  if (names.contains("torch/nn/cloneable.h")) names.insert("torch/nn/module.h");
  for (const char* whole : {"torch/nn/module.h", "torch/nn/pimpl.h", "ATen/ATen.h"}) {
    if (names.contains(whole)) names.insert("torch/types.h");
  }
}

std::string without_comments(const std::string& text) {
  return std::regex_replace(text, std::regex("//[^\n]*"), "");
}

// A file without its comments and without what its quotes hold.
std::string code_of(const fs::path& path) {
  const std::string text = file_bytes(path);
  std::string code;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (text.compare(at, 2, "//") == 0) {
      end = text.find('\n', at);
    } else if (text.compare(at, 2, "R\"") == 0) {
      const size_t open = text.find('(', at);
      end = text.find(")" + text.substr(at + 2, open - at - 2) + "\"", open);
      if (end != std::string::npos) end += open - at;  // as long as the beginning
    } else if (text[at] == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      ++end;
    } else if (text.compare(at, 3, "'\"'") == 0) {
      end = at + 3;
    } else if (text.compare(at, 4, "'\\\"'") == 0) {
      end = at + 4;
    } else {
      code += text[at];
    }
    at = std::min(end, text.size());
  }
  return code;
}

// Constants, and functions whose names have several words, that a header declares at the beginning
// of a line, outside of classes.
std::set<std::string> names_in(const std::string& code) {
  static const std::regex kFunction(
      "(?!using |namespace |class |struct |enum |template)[A-Za-z_].*?[ &*>]([a-z]\\w*_\\w*)\\(.*");
  static const std::regex kConstant("inline constexpr [^=({]*\\b(k[A-Z]\\w*)\\b.*");
  std::set<std::string> names;
  std::istringstream lines(code);
  for (std::string line; std::getline(lines, line);) {
    if (std::smatch match;
        std::regex_match(line, match, kConstant) || std::regex_match(line, match, kFunction)) {
      names.insert(match[1]);
    }
  }
  return names;
}

// Such names that a source uses of a namespace of ours: functions that it calls, and constants.
// Names that it uses otherwise too, or gives to something of its own, are left out.
std::set<std::string> uses_in(const std::string& code) {
  static const std::set<std::string> kSpaces = {
      "ladder", "apps", "data", "exports", "fitting", "io",   "nn",
      "models", "ops",  "runs", "testing", "threads", "train"};
  static const std::regex kName(
      "(\\w+::|\\.|->)?\\b([a-z]\\w*_\\w*|k[A-Z]\\w*)\\b( = |\\(|\\[|\\{)?");
  // A member that is defined in its class.
  static const std::regex kMember(
      "\\s+(?!return |throw |else |case )(?:[\\w:<>,&*]+ )+[&*]*([a-z]\\w*_\\w*)\\(.*\\{.*");
  std::set<std::string> used, others = names_in(code);
  std::istringstream lines(code);
  for (std::string line; std::getline(lines, line);) {
    if (std::smatch match; std::regex_match(line, match, kMember)) others.insert(match[1]);
  }
  for (std::sregex_iterator match(code.begin(), code.end(), kName), end; match != end; ++match) {
    const std::string before = match->str(1), name = match->str(2), behind = match->str(3);
    if (before == "." || before == "->") continue;
    const bool is_member =
        !before.empty() && !kSpaces.contains(before.substr(0, before.size() - 2));
    const bool is_constant = name[0] == 'k' && name[1] >= 'A' && name[1] <= 'Z';
    if (is_constant && is_member) continue;  // such as the value of an enumeration
    const bool is_use = is_constant ? behind.empty() || behind == "(" : behind == "(";
    (is_use && !is_member ? used : others).insert(name);
  }
  for (const auto& name : others) used.erase(name);
  return used;
}

// What a header includes, itself and by ours that it includes.
void collect(const std::map<std::string, fs::path>& ours, const std::string& name,
             std::set<std::string>& names) {
  for (const auto& next : includes_of(ours.at(name))) {
    if (names.insert(next).second && ours.contains(next)) collect(ours, next, names);
  }
}

}  // namespace

TEST_CASE("Rooms include only the rooms below them", "[rooms]") {
  const fs::path root = source_folder();
  int checked = 0;
  for (const char* folder : {"ladder", "models", "apps"}) {
    for (const auto& path : files_below(root / folder)) {
      if (!is_source(path)) continue;
      std::string name = path.lexically_relative(root).string();
      if (name.starts_with("models/")) name = name.substr(std::string("models/").size());
      const std::string room = room_of(name);
      if (room.empty()) continue;  // the umbrella headers and version.h
      INFO(path << " is in the room " << room);
      REQUIRE(arrows().contains(room));
      for (const auto& include : includes_of(path)) {
        const std::string used = room_of(include);
        if (used.empty() || used == room) continue;
        INFO("it includes " << include);
        CHECK(arrows().at(room).contains(used));
        ++checked;
      }
    }
  }
  CHECK(checked > 50);
}

TEST_CASE("Internal headers stay inside the library", "[rooms]") {
  const fs::path root = source_folder();
  int checked = 0;
  for (const char* folder : {"ladder", "models", "apps", "examples"}) {
    for (const auto& path : files_below(root / folder)) {
      const std::string name = path.lexically_relative(root).string();
      const bool outside = name.starts_with("apps/") || name.starts_with("examples/");
      if (!is_source(path) || (!outside && !is_public(name))) continue;
      for (const auto& include : includes_of(path)) {
        INFO(path << " includes " << include);
        CHECK((!include.starts_with("ladder/") || is_public(include)));
        ++checked;
      }
    }
  }
  CHECK(checked > 100);
}

TEST_CASE("Umbrella headers include every public header and nothing else", "[rooms]") {
  const fs::path root = source_folder();
  const std::map<std::string, fs::path> bases = {{"ladder/ladder.h", root},
                                                 {"ladder/models.h", root / "models"}};
  for (const auto& [umbrella, base] : bases) {
    INFO(umbrella);
    std::set<std::string> wanted = public_headers(base);
    REQUIRE(wanted.erase(umbrella) == 1);
    REQUIRE(wanted.size() >= 4);
    const auto included = includes_of(base / umbrella);
    CHECK(std::set<std::string>(included.begin(), included.end()) == wanted);
  }
}

TEST_CASE("Headers include what they name", "[rooms]") {
  const fs::path root = source_folder();
  std::map<std::string, fs::path> ours;
  for (const auto& base : {root, root / "models"}) {
    for (const auto& path : files_below(base / "ladder")) {
      if (path.extension() == ".h") ours[path.lexically_relative(base).string()] = path;
    }
  }
  int checked = 0;
  for (const auto& [name, path] : ours) {
    if (!is_public(name)) continue;
    std::set<std::string> names;
    collect(ours, name, names);
    add_known(names);
    const std::string code = without_comments(file_bytes(path));
    for (const Need& need : needs()) {
      std::smatch match;
      if (!std::regex_search(code, match, need.used)) continue;
      bool found = false;
      for (const auto& header : need.headers) found = found || names.contains(header);
      INFO(name << " uses " << match[0] << " without <" << need.headers.front() << ">");
      CHECK(found);
      ++checked;
    }
  }
  CHECK(checked > 100);
}

// The files of a room are compiled as one, which hides what one of them does not include.
TEST_CASE("Sources include what they use", "[rooms]") {
  const fs::path root = source_folder();
  std::map<std::string, fs::path> headers, sources;
  for (const auto& [base, folder] :
       {std::pair{root, "ladder"}, std::pair{root / "models", "ladder"}, std::pair{root, "apps"},
        std::pair{root, "tests"}}) {
    for (const auto& path : files_below(base / folder)) {
      const auto name = path.lexically_relative(base).string();
      if (path.extension() == ".h") headers[name] = path;
      if (path.extension() == ".cpp") sources[name] = path;
    }
  }
  std::map<std::string, std::set<std::string>> declared;  // headers of a name
  for (const auto& [header, path] : headers) {
    for (const auto& name : names_in(code_of(path))) declared[name].insert(header);
  }
  REQUIRE(declared.size() > 300);
  int checked = 0;
  for (const auto& [source, path] : sources) {
    const std::string room = room_of(source);
    std::set<std::string> names;
    for (const auto& include : includes_of(path)) {
      names.insert(include);
      if (headers.contains(include)) collect(headers, include, names);
    }
    for (const auto& name : uses_in(code_of(path))) {
      const auto found = declared.find(name);
      if (found == declared.end()) continue;
      bool may_be = false, included = false;
      for (const auto& header : found->second) {
        const auto used = room_of(header);
        const bool of_tests = header.starts_with("tests/");
        const bool open = of_tests ? source.starts_with("tests/")
                                   : used == room || room.empty() ||
                                         (arrows().at(room).contains(used) &&
                                          (room != "apps" || is_public(header)));
        may_be = may_be || open;
        included = included || names.contains(header);
      }
      if (!may_be) continue;  // a member of the same name
      INFO(source << " uses " << name << " without " << *found->second.begin());
      CHECK(included);
      ++checked;
    }
  }
  CHECK(checked > 500);
}

TEST_CASE("Tests take from Catch2 what versions 2 and 3 both have", "[rooms]") {
  static const std::set<std::string> kShared = {"Approx", "Contains", "EndsWith", "StartsWith"};
  static const std::set<std::string> kKnowVersions = {"catch.h", "main.cpp"};  // in tests/support
  static const std::regex kName("\\bCatch::(\\w+)");
  int found = 0;
  for (const auto& path : files_below(source_folder() / "tests")) {
    if (!is_source(path)) continue;
    if (path.parent_path().filename() == "support" &&
        kKnowVersions.contains(path.filename().string())) {
      continue;
    }
    const auto text = file_bytes(path);
    for (std::sregex_iterator match(text.begin(), text.end(), kName), end; match != end; ++match) {
      INFO(path.string() << ": " << match->str());
      CHECK(kShared.contains(match->str(1)));
      ++found;
    }
  }
  CHECK(found > 0);
}
