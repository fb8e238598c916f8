// Reads a CSV file each time a line comes on standard input, and answers with a line of JSON: the
// seconds it took and the peak memory of the process. benchmarks/read_csv.py calls it.
//
//   ladder-csv-bench FILE

#include <ladder/data/csv.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("ladder-csv-bench: expected one argument, a CSV file\n", stderr);
    return 2;
  }
  try {
    for (std::string line; std::getline(std::cin, line);) {
      const auto start = std::chrono::steady_clock::now();
      const ladder::data::Table table = ladder::data::read_csv(argv[1]);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      std::printf("{\"rows\": %lld, \"seconds\": %.6f, \"peak_mib\": %ld}\n",
                  static_cast<long long>(table.rows), seconds.count(), usage.ru_maxrss / 1024);
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
