// One proximal gradient step on a block of pixels, compiled once per instruction set.

#include "group_shrink.kernel.hpp"

inline double step_pixels(const StepArguments& args, std::int64_t p0, float* block_memory) {
  const std::int64_t n = args.block.pixels;
  const std::int64_t bins = static_cast<std::int64_t>(args.block.xi.size());
  float step[kShrinkPixels];
  for (std::int64_t p = 0; p < n; ++p) {
    step[p] = args.mask == nullptr ? args.step : args.step * args.mask[p0 + p];
  }
  const float alpha = args.alpha;
  for (std::int64_t k = 0; k < bins; ++k) {
    const float* __restrict gradient = args.gradient + k * args.plane + p0;
    const float* __restrict a = args.a + k * args.plane + p0;
    const float* __restrict a_prev = args.a_prev + k * args.plane + p0;
    float* __restrict out = block_memory + k * kShrinkPixels;
    for (std::int64_t p = 0; p < n; ++p) {
      const float b = a[p] + alpha * (a[p] - a_prev[p]);
      const float moved = b - step[p] * gradient[p];
      out[p] = moved < 0.0F ? 0.0F : moved;  // keeps NaN, which ends the solve
    }
  }
  const double sum = shrink_block(block_memory, args.block);
  for (std::int64_t k = 0; k < bins; ++k) {
    std::copy_n(block_memory + k * kShrinkPixels, n, args.next + k * args.plane + p0);
  }
  return sum;
}
