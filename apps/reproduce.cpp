// Run every row of a published table and print our numbers beside the published ones.
//
//   ladder-reproduce --table mnist --seeds 1..10 --out runs       every row, ten seeds
//   ladder-reproduce --table mnist --only mnist-100-full,mnist-100-gamma --seeds 1..3 --jobs 2
//   ladder-reproduce --table mnist --out runs --report            the table of what has been run
//
// Each run is a process of ladder-mnist or ladder-cifar10, which must be beside this program, in
// DIR/RECIPE/seed-N. The same command continues an interrupted one. To merge the runs of several
// machines, copy their folders into one. Data: as for those programs. A row of the MNIST table
// takes up to 34 minutes a seed on two CPU cores.

#include "apps/commands/commands.h"
#include "apps/support/program.h"

int main(int argc, char** argv) {
  ladder::apps::run_program("ladder-reproduce",
                            [&] { return ladder::apps::reproduce_command(argc, argv); });
}
