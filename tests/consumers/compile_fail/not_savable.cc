// mistake: -DMISTAKE
// says g++: value.fields(archive)
// says clang++: does not satisfy 'Savable'
// Only what has fields to visit can be saved.
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/state.hpp"

#ifdef MISTAKE
struct Score {};
#else
using Score = fedval::SpectralFed;
#endif

auto f(const Score& score) { return fedval::save(score); }
