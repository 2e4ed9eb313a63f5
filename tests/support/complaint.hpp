// The message of the Error that an action leads to.
#pragma once

#include <string>

#include "fedval/error.hpp"

namespace fedval::tests {

template <class Action>
std::string complaint_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace fedval::tests
