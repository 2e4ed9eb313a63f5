// The message of the error that an action, or a text of settings, leads to.
#pragma once

#include <string>
#include <string_view>

#include "harness/config/settings.hpp"
#include "tests/support/complaint.hpp"

namespace fedval::harness {

using fedval::tests::complaint_of;

inline std::string complaint(std::string_view text) {
  return complaint_of([&] { parse_settings(text, "t.toml"); });
}

}  // namespace fedval::harness
