// One step of the primal-dual method on a block of pixels, compiled once per instruction set.

#include "cpu/group_shrink.kernel.hpp"

inline double primal_dual_pixels(const PrimalDualArguments& args, const Block& block,
                                 float* values) {
  const std::int64_t n = block.columns;
  const std::int64_t bins = static_cast<std::int64_t>(args.block.xi.size());
  const std::int64_t p0 = block.y0 * args.image.width + block.x0;
  for (std::int64_t k = 0; k < bins; ++k) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const std::int64_t at = p0 + row * args.image.width;
      float* __restrict x = values + k * kShrinkPixels + row * n;  // A* nu in, what is shrunk out
      if (args.e != nullptr) {
        const float* __restrict e = args.e + k * args.image.pixels() + at;
        prefetch_row(e + n, n);
        for (std::int64_t p = 0; p < n; ++p) x[p] = e[p] + args.step * x[p];
      } else {
        for (std::int64_t p = 0; p < n; ++p) x[p] *= args.step;
      }
      if (args.mask != nullptr) {
        for (std::int64_t p = 0; p < n; ++p) x[p] *= args.mask[at + p];
      }
      for (std::int64_t p = 0; p < n; ++p) x[p] = x[p] < 0.0F ? 0.0F : x[p];  // keeps NaN
    }
  }
  const double sum = shrink_block(values, args.block);
  for (std::int64_t k = 0; k < bins; ++k) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const std::int64_t at = k * args.image.pixels() + p0 + row * args.image.width;
      const float* __restrict x = values + k * kShrinkPixels + row * n;
      copy_row(x, n, args.z + at);
      if (args.e == nullptr) continue;
      float* __restrict e = args.e + at;
      for (std::int64_t p = 0; p < n; ++p) e[p] += args.relaxation * (x[p] - e[p]);
    }
  }
  return sum;
}
