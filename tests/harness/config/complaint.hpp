// The message of the error that an action, or a text of settings, leads to.
#pragma once

#include <string>
#include <string_view>

#include "fedval/error.hpp"
#include "harness/config/settings.hpp"

namespace fedval::harness {

template <class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

inline std::string complaint(std::string_view text) {
  return message_of([&] { parse_settings(text, "t.toml"); });
}

}  // namespace fedval::harness
