#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::io {

/// Value in a pickle. It is only data: nothing is imported and nothing is called.
struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInteger,
    kReal,
    kText,
    kSequence,    ///< a tuple or a list: `items`
    kDictionary,  ///< keys and values in turn: `items`
    kGlobal,      ///< the name of a class or function: `text`
    kCall,        ///< a call of the global `text` with the arguments `items`
    kPersistent,  ///< a reference to data outside the pickle: `items`
  };

  Kind kind = Kind::kNone;
  int64_t integer = 0;  ///< also 0 or 1 for kBool
  std::string text = {};
  std::shared_ptr<std::vector<PickleValue>> items = nullptr;
};

/// Return a noun for messages: "number", "text", "dictionary", ...
std::string pickle_noun(const PickleValue& value);

/// Read a pickle of protocol 2 to 4 made of numbers, texts, tuples, lists, dictionaries and calls
/// of globals. Attributes of ordered dictionaries are ignored.
///
/// Throws `ReadFault`.
PickleValue read_pickle(std::string_view bytes);

}  // namespace ladder::io
