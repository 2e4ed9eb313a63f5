// Where data sets lie unless the user says otherwise: one folder, a sub-folder for each set.
#pragma once

#include <filesystem>

namespace fedval::harness {

/// $FEDVAL_DATA, else $XDG_CACHE_HOME/fedval/data, else $HOME/.cache/fedval/data; an empty variable counts as
/// not set. The folder need not exist. Throws Error when none of the three is set.
std::filesystem::path default_data_folder();

}  // namespace fedval::harness
