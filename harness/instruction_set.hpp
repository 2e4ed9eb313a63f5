// What this program was built for; goes into every summary.
#pragma once

#include <string_view>

namespace fedval::harness {

/// The widest vector instructions the compiler was allowed.
constexpr std::string_view instruction_set() {
#if defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__)
  return "AVX2";
#else
  return "baseline";
#endif
}

}  // namespace fedval::harness
