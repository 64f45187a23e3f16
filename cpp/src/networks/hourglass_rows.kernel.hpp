// Rows between levels, compiled once per instruction set (see foreach_isa.hpp).

#include "platform/vector.kernel.hpp"

inline void mean_row(const MeanRow& row) {
  const Vector quarter = 0.25F - Vector{};
  for (std::int64_t x = 0; x < row.pixels; ++x) {
    const float* upper = row.upper + 2 * x * row.pitch;
    const float* lower = row.lower + 2 * x * row.pitch;
    for (std::int64_t c = 0; c < row.pitch; c += kLanes) {
      const Vector left = load(upper + c) + load(lower + c);
      const Vector right = load(upper + row.pitch + c) + load(lower + row.pitch + c);
      store(quarter * (left + right), row.out + x * row.pitch + c);
    }
  }
}

inline void twice_row(const TwiceRow& row) {
  const Vector zero = {};
  for (std::int64_t x = 0; x < row.pixels; ++x) {
    const std::int64_t before = (x > 0 ? x - 1 : 0) * row.pitch;
    const std::int64_t after = (x + 1 < row.pixels ? x + 1 : x) * row.pitch;
    const float* skip = row.skip + 2 * x * row.pitch;
    float* out = row.out + 2 * x * row.pitch;
    for (std::int64_t c = 0; c < row.pitch; c += kLanes) {
      const auto column = [&](std::int64_t at) -> Vector {
        return 0.75F * load(row.near + at + c) + 0.25F * load(row.far + at + c);
      };
      const Vector middle = 0.75F * column(x * row.pitch);
      const Vector left = load(skip + c) + (middle + 0.25F * column(before));
      const Vector right = load(skip + row.pitch + c) + (middle + 0.25F * column(after));
      store(left > zero ? left : zero, out + c);
      store(right > zero ? right : zero, out + row.pitch + c);
    }
  }
}
