#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::io {

/// Value in a pickle. It is only data: nothing is imported and nothing is called. Texts and items
/// belong to the Pickle.
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
  std::string_view text = {};
  std::vector<PickleValue>* items = nullptr;
};

/// A pickle that was read. It holds what its values refer to side by side, however deeply they are
/// nested, so that a hostile file costs no more memory than a fixed multiple of its size and no
/// stack.
struct Pickle {
  PickleValue value = {};
  std::deque<std::string> texts = {};
  std::deque<std::vector<PickleValue>> collections = {};
};

/// Return a noun for messages: "number", "text", "dictionary", ...
std::string pickle_noun(const PickleValue& value);

/// Read a pickle of protocol 2 to 4 made of numbers, texts, tuples, lists, dictionaries and calls
/// of globals. Attributes of ordered dictionaries are ignored.
///
/// Throws `ReadFault`.
Pickle read_pickle(std::string_view bytes);

}  // namespace ladder::io
