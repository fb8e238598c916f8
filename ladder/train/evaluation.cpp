#include "ladder/train/evaluation.h"

#include <c10/util/Exception.h>

namespace ladder::train {

std::string to_string(TrainStatus status) {
  switch (status) {
    case TrainStatus::kFinished:
      return "finished";
    case TrainStatus::kStoppedEarly:
      return "stopped early";
    case TrainStatus::kInterrupted:
      return "interrupted";
  }
  TORCH_INTERNAL_ASSERT(false, "TrainStatus ", static_cast<int>(status));
}

}  // namespace ladder::train
