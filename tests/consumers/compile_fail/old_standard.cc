// mistake: -std=c++17
// says: fedval needs C++20
#include "fedval/error.hpp"
