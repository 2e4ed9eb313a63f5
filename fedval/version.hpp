// The version of fedval: FEDVAL_VERSION_MAJOR, _MINOR and _PATCH for the preprocessor, fedval::version for
// people.
#pragma once

#include <string_view>

/// Major number of the version, an integer that `#if` can compare.
#define FEDVAL_VERSION_MAJOR 0
/// Minor number; before 1.0 a new one may change the interface.
#define FEDVAL_VERSION_MINOR 1
/// Patch number.
#define FEDVAL_VERSION_PATCH 0

/// Its argument as a string literal, not expanded first. Internal.
#define FEDVAL_DETAIL_TEXT_OF(number) #number
/// A macro's value as a string literal. Internal.
#define FEDVAL_DETAIL_TEXT(number) FEDVAL_DETAIL_TEXT_OF(number)

namespace fedval {

/// "0.1.0": major, minor and patch number. Before 1.0 a new minor number may change the interface.
inline constexpr std::string_view version = FEDVAL_DETAIL_TEXT(FEDVAL_VERSION_MAJOR) "." FEDVAL_DETAIL_TEXT(
    FEDVAL_VERSION_MINOR) "." FEDVAL_DETAIL_TEXT(FEDVAL_VERSION_PATCH);

}  // namespace fedval
