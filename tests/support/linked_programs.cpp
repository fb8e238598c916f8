#include "tests/support/fork_server.h"
#include "tests/support/paths.h"

/// The main functions of the programs, whose objects tests/CMakeLists.txt links.
extern "C" {
int ladder_main(int argc, char** argv);
int ladder_cifar10_main(int argc, char** argv);
int ladder_denoising_functions_main(int argc, char** argv);
int ladder_diagnose_main(int argc, char** argv);
int ladder_mnist_main(int argc, char** argv);
}

namespace ladder::testing {
namespace {

[[maybe_unused]] const bool named = [] {
  linked_programs() = {
      {program_path("ladder"), ladder_main},
      {program_path("ladder-cifar10"), ladder_cifar10_main},
      {program_path("ladder-denoising-functions"), ladder_denoising_functions_main},
      {program_path("ladder-diagnose"), ladder_diagnose_main},
      {program_path("ladder-mnist"), ladder_mnist_main}};
  return true;
}();

}  // namespace
}  // namespace ladder::testing
