// The TOML library, as it has to be included.
#pragma once

// toml++ 3.3 asserts that a table header begins like a key before it checks that it does, so that "[= 1"
// would end the program (and with clang and NDEBUG be assumed away). Its checks give the right error when
// left to themselves.
#undef NDEBUG
#define TOML_ASSERT(condition) static_assert(true)
#include <toml++/toml.h>
