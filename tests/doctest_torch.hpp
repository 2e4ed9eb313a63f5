// doctest for tests that include LibTorch, which brings glog's CHECK where it was built with it: a CHECK that
// ends the program. Included instead of <doctest/doctest.h>, so that CHECK is doctest's whatever the order of
// the includes.
#pragma once

#include <c10/util/Logging.h>

#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE
#undef CHECK_LE
#undef CHECK_LT
#undef CHECK_GE
#undef CHECK_GT

#include <doctest/doctest.h>
