// Whole numbers that count floats: sizes of images, and how many pieces cover them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>

namespace spotcore {

struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t pixels() const { return height * width; }
};

// Pieces of `b` that cover `a`; a >= 0, b > 0.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// The product of numbers >= 0, or the largest number there is where it would not fit: no memory is
// as large, so that a comparison with a size in memory fails as it should.
constexpr std::int64_t product(std::initializer_list<std::int64_t> factors) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::int64_t result = 1;
  for (const std::int64_t factor : factors) {
    if (factor == 0) return 0;
    result = result > kMost / factor ? kMost : result * factor;
  }
  return result;
}

}  // namespace spotcore
