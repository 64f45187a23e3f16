// Independent multiply-adds that stay in registers: as many as the convolution's tile has.

#include "platform/vector.kernel.hpp"

inline constexpr int kSums = SPOTCORE_REGISTERS == 32 ? 24 : 12;

inline double multiply_adds(std::int64_t rounds, float seed, float* out) {
  Vector sum[kSums] = {};  // each starts elsewhere, or the compiler would keep one for all
  for (int s = 0; s < kSums; ++s) sum[s] += static_cast<float>(s);
  Vector x = {};
  x += seed;
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int s = 0; s < kSums; ++s) sum[s] = sum[s] * x + x;
  }
  for (int s = 0; s < kSums; ++s) {
    store(load(out) + sum[s], out);
  }
  return 2.0 * static_cast<double>(rounds) * kSums * kLanes;  // operations done
}
