// What the core throws. Wrong arguments are std::invalid_argument; everything else that can end a
// computation early has a type of its own here.
#pragma once

#include <stdexcept>

namespace spotcore {

// The caller's `interrupted` hook asked to stop (a signal, a closing window).
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

}  // namespace spotcore
