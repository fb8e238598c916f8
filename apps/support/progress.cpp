#include "apps/support/progress.h"

#include <fmt/format.h>
#include <ladder/classifier.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/support/output.h"

namespace ladder::apps {
namespace {

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string errors(const train::Evaluation& evaluation) {
  std::string text;
  if (evaluation.validation_error) {
    text += "  validation error " + percent_text(*evaluation.validation_error);
  }
  if (evaluation.test_error) {
    text += "  test error " + percent_text(*evaluation.test_error);
  }
  return text;
}

std::string costs(const train::Evaluation& evaluation) {
  auto text = fmt::format("  cost {:.4g}", evaluation.total);
  if (evaluation.supervised) {
    text += fmt::format(", supervised {:.4g}", *evaluation.supervised);
  }
  std::string levels;
  for (const auto& cost : evaluation.denoising) {
    levels += cost ? fmt::format(" {:.3g}", *cost) : " -";
  }
  return levels.find_first_of("0123456789") == std::string::npos ? text
                                                                 : text + ", denoising" + levels;
}

}  // namespace

std::string TimeLeft::text(int64_t step, int64_t steps, double seconds, double steps_per_second) {
  if (!first_) {
    first_ = Mark{step, seconds};
  }
  const auto done = static_cast<double>(step - first_->step);
  const auto took = seconds - first_->seconds;
  const auto pace = done > 0 && took > 0 ? done / took : steps_per_second;
  return pace > 0 ? clock_text(static_cast<double>(steps - step) / pace) : "?";
}

ProgressLine::ProgressLine(int64_t epochs, bool quiet, std::string name, int64_t later_steps)
    : epochs_(epochs),
      quiet_(quiet),
      name_(name.empty() ? std::move(name) : name + "  "),
      later_steps_(later_steps),
      terminal_(::isatty(STDOUT_FILENO) == 1) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::progress(const train::Progress& progress) {
  if (quiet_ || !terminal_) {
    return;
  }
  auto line =
      fmt::format("{}epoch {}/{}  {:.1f} steps/s  cost {:.4g}{}  {} left", name_, progress.epoch,
                  progress.epochs, progress.steps_per_second, progress.total, last_error_,
                  time_left_.text(progress.step, progress.steps + later_steps_, progress.seconds,
                                  progress.steps_per_second));
  apps::print(fmt::format("\r\033[K{}", line.substr(0, terminal_width() - 1)));
  shown_ = true;
}

void ProgressLine::evaluation(const train::Evaluation& evaluation, int64_t steps) {
  last_error_ = errors(evaluation);
  if (quiet_ || terminal_) {
    return;
  }
  apps::print(fmt::format("{}epoch {}/{}{}{}  {:.1f} steps/s  {} left\n", name_, evaluation.epoch,
                          epochs_, costs(evaluation), last_error_, evaluation.steps_per_second,
                          time_left_.text(evaluation.step, steps + later_steps_, evaluation.seconds,
                                          evaluation.steps_per_second)));
}

void ProgressLine::fold(const FoldProgress& progress) {
  if (quiet_) {
    return;
  }
  // The networks take as many steps each, but for those of a few rows.
  const auto& network = progress.network;
  const auto step = (progress.fold - 1) * network.steps + network.step;
  const auto steps = progress.folds * network.steps;
  const auto left = fold_time_left_.text(step, steps, progress.seconds, network.steps_per_second);
  const auto tenth = step * 10 / std::max<int64_t>(steps, 1);
  if (!terminal_ && !progress.ended && tenth <= fold_tenths_) {
    return;
  }
  fold_tenths_ = std::max(fold_tenths_, tenth);
  auto line = fmt::format("{}fold {}/{}", name_, progress.fold, progress.folds);
  if (!progress.ended) {
    line += fmt::format("  epoch {}/{}  {:.1f} steps/s", network.epoch, network.epochs,
                        network.steps_per_second);
  }
  if (progress.rows > 0) {
    line +=
        fmt::format("  error so far {}", percent_text(100.0 * static_cast<double>(progress.wrong) /
                                                      static_cast<double>(progress.rows)));
  }
  line += fmt::format("  {} left", left);
  if (terminal_) {
    apps::print(fmt::format("\r\033[K{}", line.substr(0, terminal_width() - 1)));
    shown_ = true;
  } else {
    apps::print(line + "\n");
  }
}

void ProgressLine::print(const std::string& line) {
  if (!quiet_) {
    clear();
    apps::print(fmt::format("{}{}\n", name_, line));
  }
}

void ProgressLine::clear() {
  if (shown_) {
    apps::print("\r\033[K");
    shown_ = false;
  }
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::fmax(seconds, 0)));
  const auto minutes = whole / 60 % 60;
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, minutes, whole % 60)
                       : fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string percent_text(double percent) { return fmt::format("{:.2f} %", percent); }

}  // namespace ladder::apps
