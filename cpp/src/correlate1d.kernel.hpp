// A weighted sum of rows, compiled once per instruction set.

using Lanes = float __attribute__((vector_size(sizeof(float) * SPOTCORE_LANES)));

inline void weighted_sum(const float* const* sources, const float* taps, std::int64_t n_taps,
                         std::int64_t n, float* out) {
  constexpr int kSums = 4;  // stay in registers, and hide how long a multiplication takes
  constexpr std::int64_t kBlock = kSums * SPOTCORE_LANES;
  std::int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    Lanes sum[kSums] = {};
    for (std::int64_t t = 0; t < n_taps; ++t) {
      const float* source = sources[t] + i;
      for (int s = 0; s < kSums; ++s) {
        Lanes values;
        std::memcpy(&values, source + s * SPOTCORE_LANES, sizeof values);
        sum[s] += taps[t] * values;
      }
    }
    std::memcpy(out + i, sum, sizeof sum);
  }
  for (; i < n; ++i) {
    float sum = 0;
    for (std::int64_t t = 0; t < n_taps; ++t) sum += taps[t] * sources[t][i];
    out[i] = sum;
  }
}
