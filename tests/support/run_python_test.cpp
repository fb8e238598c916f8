#include <tests/support/catch.h>
#include <tests/support/python.h>

using namespace ladder::testing;

TEST_CASE("run_python gives what a script prints and its status", "[support]") {
  if (!python()) LADDER_SKIP(kNoPython);
  const auto outcome = run_python(
      "import sys\nprint(sys.argv[1] + '!')\nprint('b', file=sys.stderr)\nsys.exit(3)", {"a b"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out == "a b!\n");
  CHECK(outcome.err == "b\n");
}

TEST_CASE("python finds the modules that are installed", "[support]") {
  if (!python()) LADDER_SKIP(kNoPython);
  CHECK(python("safetensors"));
  CHECK_FALSE(python("no_such_module"));
}
