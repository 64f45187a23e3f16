// A weighted sum of rows, compiled once per instruction set.

#include "platform/vector.kernel.hpp"

inline void weighted_sum(const float* const* sources, const float* taps, std::int64_t n_taps,
                         std::int64_t n, float* out) {
  constexpr int kSums = 4;  // stay in registers, and hide how long a multiplication takes
  constexpr std::int64_t kBlock = kSums * kLanes;
  std::int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    Vector sum[kSums] = {};
    for (std::int64_t t = 0; t < n_taps; ++t) {
      const float* source = sources[t] + i;
      for (int s = 0; s < kSums; ++s) sum[s] += taps[t] * load(source + s * kLanes);
    }
    for (int s = 0; s < kSums; ++s) store(sum[s], out + i + s * kLanes);
  }
  for (; i < n; ++i) {
    float sum = 0;
    for (std::int64_t t = 0; t < n_taps; ++t) sum += taps[t] * sources[t][i];
    out[i] = sum;
  }
}
