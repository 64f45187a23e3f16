// One proximal gradient step on a block of pixels, compiled once per instruction set.

#include "cpu/group_shrink.kernel.hpp"

inline double step_pixels(const StepArguments& args, const Block& block, float* values) {
  const std::int64_t n = block.columns;
  const std::int64_t bins = static_cast<std::int64_t>(args.block.xi.size());
  const std::int64_t p0 = block.y0 * args.image.width + block.x0;
  float step[kShrinkPixels];
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const std::int64_t at = p0 + row * args.image.width;
    for (std::int64_t p = 0; p < n; ++p) {
      step[row * n + p] = args.mask == nullptr ? args.step : args.step * args.mask[at + p];
    }
  }
  const float alpha = args.alpha;
  for (std::int64_t k = 0; k < bins; ++k) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const std::int64_t at = k * args.image.pixels() + p0 + row * args.image.width;
      const float* __restrict a = args.a + at;
      const float* __restrict a_prev = args.a_prev + at;
      const float* __restrict steps = step + row * n;
      float* __restrict x = values + k * kShrinkPixels + row * n;  // gradient in, b - step it out
      prefetch_row(a + n, n);
      prefetch_row(a_prev + n, n);
      for (std::int64_t p = 0; p < n; ++p) {
        const float b = a[p] + alpha * (a[p] - a_prev[p]);
        const float moved = b - steps[p] * x[p];
        x[p] = moved < 0.0F ? 0.0F : moved;  // keeps NaN, which ends the solve
      }
    }
  }
  const double sum = shrink_block(values, args.block);
  for (std::int64_t k = 0; k < bins; ++k) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      copy_row(values + k * kShrinkPixels + row * n, n,
               args.next + k * args.image.pixels() + p0 + row * args.image.width);
    }
  }
  return sum;
}
