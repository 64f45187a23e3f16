// The kernels of an observation model as separable factors: g_k = sum_r f_kr f_kr^T.
#pragma once

#include <cstdint>
#include <vector>

namespace spotcore {

// Factors of one symmetric kernel: `rank` rows of `length` (odd) taps, each row symmetric.
struct SeparableKernel {
  std::int64_t rank = 0;
  std::int64_t length = 0;
  std::vector<float> taps;  // [rank, length]

  std::int64_t half() const { return length / 2; }
  const float* factor(std::int64_t r) const { return taps.data() + r * length; }
};

using SeparableKernels = std::vector<SeparableKernel>;  // one per sigma bin

// Throws std::invalid_argument unless every kernel has rank >= 1, an odd length, finite symmetric
// taps and is not identically zero.
void check_kernels(const SeparableKernels& kernels);

}  // namespace spotcore
