#include "ladder/io/internal/pickle_reader.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "ladder/io/internal/zip_reader.h"

namespace ladder::io {
namespace {

using Kind = PickleValue::Kind;
using Items = std::vector<PickleValue>;

class Machine {
 public:
  explicit Machine(std::string_view bytes) : bytes_(bytes) {}

  Pickle run() {
    while (step(byte())) {
    }
    pickle_.value = pop();
    return std::move(pickle_);
  }

 private:
  bool step(uint8_t code) {
    switch (code) {
      case 0x80:  // PROTO
        if (const uint8_t protocol = byte(); protocol < 2 || protocol > 4) {
          throw ReadFault("its pickle has protocol " + std::to_string(protocol));
        }
        break;
      case 0x95:  // FRAME
        take(8);
        break;
      case '.':  // STOP
        return false;
      case 'N':
        push({});
        break;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push({.kind = Kind::kBool, .integer = code == 0x88});
        break;
      case 'K':  // BININT1
        push_integer(static_cast<int64_t>(number(1)));
        break;
      case 'M':  // BININT2
        push_integer(static_cast<int64_t>(number(2)));
        break;
      case 'J':  // BININT
        push_integer(static_cast<int32_t>(number(4)));
        break;
      case 0x8A:  // LONG1
        push_integer(long_integer(byte()));
        break;
      case 'G':  // BINFLOAT
        take(8);
        push({.kind = Kind::kReal});
        break;
      case 'X':  // BINUNICODE
        push_text(take(number(4)));
        break;
      case 0x8C:  // SHORT_BINUNICODE
        push_text(take(byte()));
        break;
      case 'c': {  // GLOBAL
        const std::string module = line();
        push({.kind = Kind::kGlobal, .text = kept(module + "." + line())});
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleValue name = pop();
        const std::string module(pop().text);
        push({.kind = Kind::kGlobal, .text = kept(module + "." + std::string(name.text))});
        break;
      }
      case '(':  // MARK
        marks_.push_back(stack_.size());
        break;
      case ')':  // EMPTY_TUPLE
      case ']':  // EMPTY_LIST
        push(collection(Kind::kSequence, {}));
        break;
      case '}':  // EMPTY_DICT
        push(collection(Kind::kDictionary, {}));
        break;
      case 't':  // TUPLE
        push(collection(Kind::kSequence, pop_to_mark()));
        break;
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        push(collection(Kind::kSequence, pop_last(code - 0x84)));
        break;
      case 'a':  // APPEND
        extend(Kind::kSequence, pop_last(1));
        break;
      case 'e':  // APPENDS
        extend(Kind::kSequence, pop_to_mark());
        break;
      case 's':  // SETITEM
        extend(Kind::kDictionary, pop_last(2));
        break;
      case 'u':  // SETITEMS
        extend(Kind::kDictionary, pop_to_mark());
        break;
      case 'q':  // BINPUT
        memo_[number(1)] = top();
        break;
      case 'r':  // LONG_BINPUT
        memo_[number(4)] = top();
        break;
      case 0x94:  // MEMOIZE
        memo_[memo_.size()] = top();
        break;
      case 'h':  // BINGET
        push(recall(number(1)));
        break;
      case 'j':  // LONG_BINGET
        push(recall(number(4)));
        break;
      case 'Q': {  // BINPERSID
        PickleValue id = pop();
        if (id.kind != Kind::kSequence) throw ReadFault("its pickle is damaged");
        id.kind = Kind::kPersistent;
        push(std::move(id));
        break;
      }
      case 'R':  // REDUCE
        call();
        break;
      case 0x81:  // NEWOBJ
        pop();
        throw ReadFault("it holds an object of " + std::string(top().text));
      case 'b':  // BUILD
        pop();
        if (top().kind != Kind::kDictionary) {
          throw ReadFault("it holds a " + pickle_noun(top()) + " with a state of its own");
        }
        break;
      default:
        throw ReadFault("its pickle has the unknown code " + std::to_string(code));
    }
    return true;
  }

  void call() {
    PickleValue arguments = pop();
    PickleValue callable = pop();
    if (callable.kind != Kind::kGlobal || arguments.kind != Kind::kSequence) {
      throw ReadFault("its pickle is damaged");
    }
    if (callable.text == "collections.OrderedDict" && arguments.items->empty()) {
      push(collection(Kind::kDictionary, {}));
      return;
    }
    callable.kind = Kind::kCall;
    callable.items = arguments.items;
    push(std::move(callable));
  }

  void extend(Kind kind, Items items) {
    PickleValue& target = top();
    const bool pairs = kind != Kind::kDictionary || items.size() % 2 == 0;
    if (target.kind != kind || !pairs) throw ReadFault("its pickle is damaged");
    std::move(items.begin(), items.end(), std::back_inserter(*target.items));
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size()) throw ReadFault("its pickle ends early");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  uint8_t byte() { return static_cast<uint8_t>(take(1)[0]); }

  uint64_t number(uint64_t width) {
    std::string_view taken = take(width);
    uint64_t value = 0;
    for (; !taken.empty(); taken.remove_suffix(1)) {
      value = value << 8 | static_cast<uint8_t>(taken.back());
    }
    return value;
  }

  int64_t long_integer(uint64_t width) {
    if (width > 8) throw ReadFault("its pickle has an integer of more than 64 bits");
    if (width == 0) return 0;
    const uint64_t unused = 64 - 8 * width;
    return static_cast<int64_t>(number(width) << unused) >> unused;
  }

  std::string line() {
    const size_t end = bytes_.find('\n');
    if (end == std::string_view::npos) throw ReadFault("its pickle ends early");
    std::string text(take(end));
    take(1);
    return text;
  }

  PickleValue& top() {
    if (stack_.empty()) throw ReadFault("its pickle is damaged");
    return stack_.back();
  }

  void push(PickleValue value) { stack_.push_back(std::move(value)); }
  void push_integer(int64_t value) { push({.kind = Kind::kInteger, .integer = value}); }
  void push_text(std::string_view text) {
    push({.kind = Kind::kText, .text = kept(std::string(text))});
  }

  std::string_view kept(std::string text) { return pickle_.texts.emplace_back(std::move(text)); }
  PickleValue collection(Kind kind, Items items) {
    return {.kind = kind, .items = &pickle_.collections.emplace_back(std::move(items))};
  }

  PickleValue pop() {
    PickleValue value = std::move(top());
    stack_.pop_back();
    return value;
  }

  Items pop_last(size_t count) {
    if (count > stack_.size()) throw ReadFault("its pickle is damaged");
    const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
    Items items(std::make_move_iterator(first), std::make_move_iterator(stack_.end()));
    stack_.erase(first, stack_.end());
    return items;
  }

  Items pop_to_mark() {
    if (marks_.empty() || marks_.back() > stack_.size()) throw ReadFault("its pickle is damaged");
    const size_t mark = marks_.back();
    marks_.pop_back();
    return pop_last(stack_.size() - mark);
  }

  const PickleValue& recall(uint64_t index) const {
    const auto found = memo_.find(index);
    if (found == memo_.end()) throw ReadFault("its pickle is damaged");
    return found->second;
  }

  std::string_view bytes_;
  Pickle pickle_;
  Items stack_;
  std::vector<size_t> marks_;
  std::map<uint64_t, PickleValue> memo_;
};

}  // namespace

std::string pickle_noun(const PickleValue& value) {
  switch (value.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
    case Kind::kInteger:
    case Kind::kReal:
      return "number";
    case Kind::kText:
      return "text";
    case Kind::kSequence:
      return "tuple or list";
    case Kind::kDictionary:
      return "dictionary";
    case Kind::kGlobal:
    case Kind::kCall:
      return "value of " + std::string(value.text);
    case Kind::kPersistent:
      return "storage";
  }
  return "value";
}

Pickle read_pickle(std::string_view bytes) { return Machine(bytes).run(); }

}  // namespace ladder::io
