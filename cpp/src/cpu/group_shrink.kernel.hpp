// Non-negative group shrinkage on blocks of pixels, compiled once per instruction set.
// Plain loops over pixels: the compiler vectorises them for the target that is open.

// A loop that is not made a call: rows of blocks are short.
inline void copy_row(const float* __restrict from, std::int64_t n, float* __restrict to) {
  constexpr int kLanes = 16;
  std::int64_t p = 0;
  for (; p + kLanes <= n; p += kLanes) {
    for (int l = 0; l < kLanes; ++l) to[p + l] = from[p + l];
  }
  for (; p < n; ++p) to[p] = from[p];
}

// A block's rows are short and far apart: no processor foresees where the next block's are.
inline void prefetch_row(const float* row, std::int64_t n) {
  for (std::int64_t p = 0; p < n; p += 16) __builtin_prefetch(row + p, 0, 2);
}

// Sum in a fixed order (lane by lane, then lanes in pairs): the same for every thread count.
inline double lane_sum(const float* x, std::int64_t n) {
  constexpr int kLanes = 16;
  float lanes[kLanes] = {};
  std::int64_t p = 0;
  for (; p + kLanes <= n; p += kLanes) {
    for (int l = 0; l < kLanes; ++l) lanes[l] += x[p + l];
  }
  double sum = 0;
  for (; p < n; ++p) sum += x[p];
  for (int l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

// Theorem 2: x in aleph is scaled by (1 - gamma / ||x||_2)_+; xi is 0 or `weight` on every bin.
inline double shrink_equal_weights(float* __restrict x, const ShrinkBlock& block,
                                   float* __restrict norm) {
  const std::int64_t n = block.pixels;
  std::fill_n(norm, n, 0.0F);
  for (std::size_t k = 0; k < block.xi.size(); ++k) {
    if (block.xi[k] == 0.0F) continue;
    const float* xk = x + static_cast<std::int64_t>(k) * kShrinkPixels;
    for (std::int64_t p = 0; p < n; ++p) norm[p] += xk[p] * xk[p];
  }
  const float weight = block.equal_weight;
  const float gamma = block.gamma * weight;
  float scale[kShrinkPixels];
  for (std::int64_t p = 0; p < n; ++p) {
    const float r = std::sqrt(norm[p]);
    // Not (r - gamma) / r: where gamma is a few units in the last place of r, that difference is
    // rounded the same way for every r of a binade, as if gamma were another one. The quotient
    // scatters.
    scale[p] = r > gamma ? 1.0F - gamma / r : 0.0F;
    norm[p] = weight * r * scale[p];
  }
  for (std::size_t k = 0; k < block.xi.size(); ++k) {
    if (block.xi[k] == 0.0F) continue;
    float* xk = x + static_cast<std::int64_t>(k) * kShrinkPixels;
    for (std::int64_t p = 0; p < n; ++p) xk[p] *= scale[p];
  }
  return lane_sum(norm, n);
}

// x >= 0 is the block in place, [K, kShrinkPixels]; returns sum_pixels ||xi y||_2.
inline double shrink_block(float* x, const ShrinkBlock& block) {
  float norm[kShrinkPixels];
  if (block.equal_weight > 0.0F) return shrink_equal_weights(x, block, norm);
  for (std::int64_t p = 0; p < block.pixels; ++p) norm[p] = shrink_pixel(x + p, block);
  return lane_sum(norm, block.pixels);
}

inline double shrink_pixels(const ShrinkArguments& args, std::int64_t p0, float* block_memory) {
  const std::int64_t n = args.block.pixels;
  const std::int64_t bins = static_cast<std::int64_t>(args.block.xi.size());
  for (std::int64_t k = 0; k < bins; ++k) {
    const float* __restrict in = args.x + k * args.plane + p0;
    float* __restrict out = block_memory + k * kShrinkPixels;
    for (std::int64_t p = 0; p < n; ++p) out[p] = in[p] < 0.0F ? 0.0F : in[p];  // keeps NaN
  }
  const double sum = shrink_block(block_memory, args.block);
  for (std::int64_t k = 0; k < bins; ++k) {
    copy_row(block_memory + k * kShrinkPixels, n, args.y + k * args.plane + p0);
  }
  return sum;
}
