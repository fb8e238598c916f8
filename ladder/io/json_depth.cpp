#include "ladder/io/json_depth.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

namespace ladder::io {
namespace {

// Receives what the parser finds, which takes no stack for a level. `false` ends the parsing.
class DepthCheck : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool key(string_t&) override { return true; }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }

  bool deep() const { return depth_ > kMaxJsonDepth; }

 private:
  bool enter() {
    ++depth_;
    return !deep();
  }
  bool leave() {
    --depth_;
    return true;
  }

  int depth_ = 0;
};

}  // namespace

bool is_deep_json(std::string_view text) {
  DepthCheck check;
  nlohmann::json::sax_parse(text, &check, nlohmann::json::input_format_t::json, /*strict=*/true,
                            /*ignore_comments=*/true);
  return check.deep();
}

}  // namespace ladder::io
