// Reads a CSV file each time a line comes on standard input, and answers with a line of JSON: the
// processor seconds it took, and by how much the peak memory of the process has grown.
// benchmarks/read_csv.py calls it.
//
//   ladder-csv-bench FILE

#include <ladder/data/csv.h>
#include <sys/resource.h>

#include <cstdio>
#include <ctime>
#include <exception>
#include <iostream>
#include <string>

namespace {

long peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string("--help")) {
    std::puts(
        "Read a CSV file for each line of standard input, and print its time and memory.\n\n"
        "  ladder-csv-bench FILE");
    return 0;
  }
  if (argc != 2) {
    std::fputs("ladder-csv-bench: expected one argument, a CSV file\n", stderr);
    return 2;
  }
  const long before = peak_mib();
  try {
    for (std::string line; std::getline(std::cin, line);) {
      const std::clock_t start = std::clock();
      const ladder::data::Table table = ladder::data::read_csv(argv[1]);
      const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      std::printf("{\"rows\": %lld, \"seconds\": %.6f, \"peak_mib\": %ld}\n",
                  static_cast<long long>(table.rows), seconds, peak_mib() - before);
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
