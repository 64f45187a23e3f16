// Independent multiply-adds that stay in registers: as many as the convolution's tile has.

typedef float Vector __attribute__((vector_size(4 * SPOTCORE_LANES), aligned(4), may_alias));

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
    *reinterpret_cast<Vector*>(out) = *reinterpret_cast<Vector*>(out) + sum[s];
  }
  return 2.0 * static_cast<double>(rounds) * kSums * SPOTCORE_LANES;  // operations done
}
