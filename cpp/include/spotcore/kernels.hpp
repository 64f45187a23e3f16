// The kernels of an observation model as separable factors.
#pragma once

#include <cstdint>
#include <vector>

namespace spotcore {

// One symmetric kernel: `rank` rows of `length` (odd) taps, each row symmetric.
//
// With scale = 1 the factors are those of g itself. A smooth kernel can be given on a coarser grid:
// with scale = s > 1 the kernel is  g = D^T (sum_r f_r f_r^T (*)) D,  where D filters both axes
// with `lowpass` (odd length, symmetric) and keeps every s-th pixel, on a grid that is extended
// beyond the image so that nothing of it is lost. D^T D's aliases are the factors' business: they
// are fitted so that the product is g (spotcore.model.decimation in Python).
struct SeparableKernel {
  std::int64_t rank = 0;
  std::int64_t length = 0;
  std::vector<float> taps;  // [rank, length]
  std::int64_t scale = 1;
  std::vector<float> lowpass = {};  // empty for scale 1

  std::int64_t half() const { return length / 2; }
  const float* factor(std::int64_t r) const { return taps.data() + r * length; }
};

using SeparableKernels = std::vector<SeparableKernel>;  // one per sigma bin

// Throws std::invalid_argument unless every kernel has rank >= 1, an odd length, finite symmetric
// taps and is not identically zero; with a scale > 1, a low-pass of the same kind that is no
// shorter than the scale.
void check_kernels(const SeparableKernels& kernels);

}  // namespace spotcore
