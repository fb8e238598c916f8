/// What `ladder tune` keeps in its folder.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace ladder::apps {

/// Return a record as text. Bytes that are not UTF-8, of a file name say, are replaced.
std::string record_text(const nlohmann::ordered_json& record);

/// Refuse a call for other settings or data than those in `file`, the tune.json of an earlier call.
/// `asked`: trials, draws, epochs, data, arguments and settings of this one.
void check_same_command(const std::filesystem::path& file, const nlohmann::ordered_json& asked);

/// Return the error on held-back rows in the evaluation.json of a run.
double error_in(const std::filesystem::path& evaluation);

}  // namespace ladder::apps
