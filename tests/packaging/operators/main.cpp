// Prints the library's operators that LibTorch knows, in a program that names none of its
// functions.
#include <ATen/core/dispatch/Dispatcher.h>

#include <iostream>

int main() {
  for (const auto& op : c10::Dispatcher::singleton().getAllOpNames()) {
    if (op.name.rfind("ladder::", 0) == 0) {
      std::cout << op.name << "\n";
    }
  }
}
