// mistake: -fno-exceptions
// says: fedval reports misuse and bad input by throwing fedval::Error
#include "fedval/fedval.hpp"
