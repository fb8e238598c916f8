// A classifier of your own table in three lines: labels for some rows, nothing for the others.
//
//   ladder-own-table examples/data/machines.csv examples/data/machines-test.csv
//
// Data: 4,000 measurements of motors, of which 120 have a state; made by
// examples/data/make_machines.py. Expected: an error of 4.6 % on the 1,500 rows of the second file,
// in 15 s on one core.
#include <ladder/classifier.h>
#include <ladder/data/csv.h>

#include <exception>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string("--help")) {
    std::cout << "Train a classifier of the column 'state', and print its error on other rows.\n\n"
                 "  ladder-own-table TRAIN.csv TEST.csv\n";
    return 0;
  }
  if (argc != 3) {
    std::cerr << "ladder-own-table: expected two CSV files but got " << argc - 1 << ".\n";
    return 2;
  }
  try {
    const std::string data = argv[1], test = argv[2];
    // [three lines]
    ladder::Classifier classifier;
    classifier.fit(ladder::data::read_csv(data, {.text_columns = {"state"}}), "state", {"machine"});
    const auto states = classifier.predict(ladder::data::read_csv(test));
    // [/three lines]
    std::cout << "first row: " << states.at(0)
              << "\nerror: " << 100 * (1 - classifier.score(ladder::data::read_csv(test), "state"))
              << " %\n";
  } catch (const std::exception& error) {
    std::cerr << "ladder-own-table: " << error.what() << "\n";
    return 1;
  }
  return std::cout.flush() ? 0 : 1;
}
