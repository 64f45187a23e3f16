// Rows of network layers, compiled once per instruction set (see foreach_isa.hpp).
//
// Channels lie in the lanes, so that neither the sums over channels of a synthesis nor the outer
// products of an analysis move data across lanes, and every load of maps is aligned. A synthesis
// keeps one sum per pixel and adds up its lanes only at the end, kLanes pixels at once.

#include "platform/vector.kernel.hpp"

typedef int Index __attribute__((vector_size(4 * SPOTCORE_LANES)));

inline int layer_lanes() { return kLanes; }

inline Vector larger(Vector a, Vector b) { return a > b ? a : b; }

// --- Across lanes --------------------------------------------------------------------------------

// Of 2 kDistance lanes, the lower half from a and the upper half from b: of each its lower half
// (kUpper = 0), or its upper half. Two vectors exchanged so are one step of a transposition.
template <int kDistance, int kUpper, std::size_t... kLane>
inline Vector interleave(Vector a, Vector b, std::index_sequence<kLane...>) {
  constexpr int kFrom = kUpper * kDistance;
#if defined(__clang__)
  return __builtin_shufflevector(
      a, b, ((kLane & kDistance) ? kLanes + kLane - kDistance + kFrom : kLane + kFrom)...);
#else
  return __builtin_shuffle(
      a, b,
      Index{static_cast<int>((kLane & kDistance) ? kLanes + kLane - kDistance + kFrom
                                                 : kLane + kFrom)...});
#endif
}
template <int kDistance, int kUpper>
inline Vector interleave(Vector a, Vector b) {
  return interleave<kDistance, kUpper>(a, b, std::make_index_sequence<kLanes>{});
}

// Lane i of the result is the sum of all lanes of v[i].
template <int kDistance = kLanes / 2>
inline Vector sums_of_lanes(Vector* v) {
#pragma GCC unroll 16
  for (int i = 0; i < kDistance; ++i) {
    const Vector a = v[i], b = v[i + kDistance];
    v[i] = interleave<kDistance, 0>(a, b) + interleave<kDistance, 1>(a, b);
  }
  if constexpr (kDistance > 1) return sums_of_lanes<kDistance / 2>(v);
  return v[0];
}

template <int kDistance = kLanes / 2>
inline void transpose(Vector* v) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i & kDistance) continue;
    const Vector a = v[i], b = v[i + kDistance];
    v[i] = interleave<kDistance, 0>(a, b);
    v[i + kDistance] = interleave<kDistance, 1>(a, b);
  }
  if constexpr (kDistance > 1) transpose<kDistance / 2>(v);
}

// --- Synthesis: K maps to one image --------------------------------------------------------------

// kLanes pixels. The taps of a row of the kernel stay in registers; a vector of z that is loaded
// once serves all pixels that it lies in reach of.
template <int kSize>
inline Vector synthesis_block(const SynthesisRow& row, std::int64_t x) {
  Vector sum[kLanes] = {};
  const float* taps = row.taps;
  for (int dy = 0; dy < kSize; ++dy) {
    const float* z = row.z.rows[dy] + x * row.z.pitch;
    for (std::int64_t v = 0; v < row.vectors; ++v, taps += kSize * kLanes) {
      Vector tap[kSize];
#pragma GCC unroll 16
      for (int d = 0; d < kSize; ++d) tap[d] = load(taps + d * kLanes);
      const float* in = z + v * kLanes;
#pragma GCC unroll 32
      for (int i = 0; i < kLanes + kSize - 1; ++i, in += row.z.pitch) {
        const Vector value = load(in);
#pragma GCC unroll 16
        for (int d = 0; d < kSize; ++d) {
          if (0 <= i - d && i - d < kLanes) sum[i - d] += tap[d] * value;
        }
      }
    }
  }
  return sums_of_lanes(sum);
}

// The same for kernels of any size.
template <>
inline Vector synthesis_block<0>(const SynthesisRow& row, std::int64_t x) {
  Vector sum[kLanes] = {};
  const float* tap = row.taps;
  for (std::int64_t dy = 0; dy < row.z.size; ++dy) {
    for (std::int64_t v = 0; v < row.vectors; ++v) {
      const float* in = row.z.rows[dy] + x * row.z.pitch + v * kLanes;
      for (std::int64_t d = 0; d < row.z.size; ++d, in += row.z.pitch, tap += kLanes) {
        const Vector factor = load(tap);
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) sum[i] += factor * load(in + i * row.z.pitch);
      }
    }
  }
  return sums_of_lanes(sum);
}

template <int kSize>
inline void synthesis_row_of(const SynthesisRow& row) {
  for (std::int64_t x = 0; x < row.pixels; x += kLanes) {
    store(synthesis_block<kSize>(row, x) - load(row.s + x), row.u + x);
  }
}

inline void synthesis_row(const SynthesisRow& row) {
  switch (row.z.size) {
    case 3: return synthesis_row_of<3>(row);
    case 5: return synthesis_row_of<5>(row);
    case 7: return synthesis_row_of<7>(row);
    default: return synthesis_row_of<0>(row);
  }
}

// --- Convolution: any number of inputs to K maps -------------------------------------------------

// Pixels of a tile: with two vectors of channels each they fill the registers.
inline constexpr int kTilePixels = SPOTCORE_REGISTERS == 32 && kLanes >= 8 ? 8 : 4;
static_assert(kLanes % kTilePixels == 0);

// Sums of kTilePixels pixels and kVectors vectors of channels, from vector v on, into the block.
// kImage: the input is one channel, pixel by pixel. kSize: S, or 0 for any. Where it is known, a
// pixel's value stays in a register for all taps of a row of the kernel.
template <int kVectors, bool kImage, int kSize>
inline void full_tile(const ConvolutionRow& row, std::int64_t x, std::int64_t v, float* block) {
  const std::int64_t pitch = kImage ? 1 : row.input.pitch;
  const std::int64_t channels = kImage ? 1 : row.channels;
  Vector sum[kTilePixels][kVectors];
#pragma GCC unroll 8
  for (int p = 0; p < kTilePixels; ++p) {
#pragma GCC unroll 2
    for (int i = 0; i < kVectors; ++i) {
      sum[p][i] = load(row.start + (x + p) * row.start_pitch + (v + i) * kLanes);
    }
  }
  const float* taps = row.taps + v * kLanes;
  const std::int64_t size = kSize == 0 ? row.input.size : kSize;
  for (std::int64_t dy = 0; dy < size; ++dy) {
    const float* in = row.input.rows[dy] + x * pitch;
#pragma GCC unroll 8
    for (std::int64_t dx = 0; dx < size; ++dx, in += pitch) {
      for (std::int64_t c = 0; c < channels; ++c, taps += row.vectors * kLanes) {
        Vector tap[kVectors];
#pragma GCC unroll 2
        for (int i = 0; i < kVectors; ++i) tap[i] = load(taps + i * kLanes);
#pragma GCC unroll 8
        for (int p = 0; p < kTilePixels; ++p) {
          const float value = in[p * pitch + c];
#pragma GCC unroll 2
          for (int i = 0; i < kVectors; ++i) sum[p][i] += value * tap[i];
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < kTilePixels; ++p) {
#pragma GCC unroll 2
    for (int i = 0; i < kVectors; ++i) {
      store(sum[p][i], block + (p * row.vectors + v + i) * kLanes);
    }
  }
}

template <int kVectors>
inline void full_tile(const ConvolutionRow& row, std::int64_t x, std::int64_t v, float* block) {
  if (row.input.pitch != 1) return full_tile<kVectors, false, 0>(row, x, v, block);
  switch (row.input.size) {
    case 3: return full_tile<kVectors, true, 3>(row, x, v, block);
    case 5: return full_tile<kVectors, true, 5>(row, x, v, block);
    case 7: return full_tile<kVectors, true, 7>(row, x, v, block);
    default: return full_tile<kVectors, true, 0>(row, x, v, block);
  }
}

inline void depthwise_tile(const ConvolutionRow& row, std::int64_t x, std::int64_t v,
                           float* block) {
  Vector sum[kTilePixels];
#pragma GCC unroll 8
  for (int p = 0; p < kTilePixels; ++p) {
    sum[p] = load(row.start + (x + p) * row.start_pitch + v * kLanes);
  }
  const float* taps = row.taps + v * kLanes;
  for (std::int64_t dy = 0; dy < row.input.size; ++dy) {
    const float* in = row.input.rows[dy] + x * row.input.pitch + v * kLanes;
    for (std::int64_t dx = 0; dx < row.input.size; ++dx, taps += row.vectors * kLanes) {
      const Vector tap = load(taps);
#pragma GCC unroll 8
      for (int p = 0; p < kTilePixels; ++p) sum[p] += tap * load(in + p * row.input.pitch);
      in += row.input.pitch;
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < kTilePixels; ++p) store(sum[p], block + (p * row.vectors + v) * kLanes);
}

inline void convolution_block(const ConvolutionRow& row, std::int64_t x0, float* block) {
  // What lies right of the last pixel keeps what the block held: nobody reads it.
  const std::int64_t end = std::min<std::int64_t>(kLanes, row.pixels - x0);
  for (int p = 0; p < end; p += kTilePixels) {
    const std::int64_t x = x0 + p;
    float* tile = block + p * row.vectors * kLanes;
    for (std::int64_t v = 0; v < row.vectors;) {
      if (row.depthwise) {
        depthwise_tile(row, x, v++, tile);
      } else if (v + 1 == row.vectors) {
        full_tile<1>(row, x, v++, tile);
      } else {
        full_tile<2>(row, x, v, tile);
        v += 2;
      }
    }
  }
}

// --- What follows a convolution ------------------------------------------------------------------

// Of each pixel of a block: sum over channels of weight * x, with f(x) = weight * x or x * x.
template <class Term>
inline Vector sums_of_channels(const float* block, std::int64_t vectors, Term term) {
  Vector sum[kLanes] = {};
  for (std::int64_t v = 0; v < vectors; ++v) {
#pragma GCC unroll 16
    for (int p = 0; p < kLanes; ++p) {
      sum[p] += term(load(block + (p * vectors + v) * kLanes), v);
    }
  }
  return sums_of_lanes(sum);
}

// Theorem 2 of Part II: x >= 0 scaled by (1 - b / ||x||_2)_+, in place.
inline void shrink_groups(float b, float* block, std::int64_t vectors) {
  const Vector zero = {};
  float scale[kLanes];
  store(sums_of_channels(block, vectors,
                         [zero](Vector x, std::int64_t) {
                           const Vector positive = larger(x, zero);
                           return positive * positive;
                         }),
        scale);
  for (int p = 0; p < kLanes; ++p) {
    const float r = std::sqrt(scale[p]);
    const float factor = r > 0.0F && r > b ? 1.0F - b / r : 0.0F;
    for (std::int64_t v = 0; v < vectors; ++v) {
      float* at = block + (p * vectors + v) * kLanes;
      store(larger(load(at), zero) * factor, at);
    }
  }
}

// Each channel several times, for a depthwise layer with several outputs of each.
inline void repeat_channels(const ConvolutionRow& row, std::int64_t x, const float* block) {
  for (int p = 0; p < kLanes; ++p) {
    float* to = row.z + (x + p) * row.repeat_pitch;
    for (std::int64_t c = 0; c < row.bins; ++c) {
      for (std::int64_t j = 0; j < row.repeat; ++j) *to++ = block[p * row.vectors * kLanes + c];
    }
  }
}

// phi of a block, and what later steps want of it, in one pass. The last step's stays in the block.
template <class Phi>
inline void keep_block(const ConvolutionRow& row, std::int64_t x0, float* block, Phi phi) {
  const std::int64_t pitch = row.vectors * kLanes, n = kLanes * pitch;
  if (row.z == nullptr || row.repeat > 1) {
    for (std::int64_t i = 0; i < n; i += kLanes) store(phi(load(block + i)), block + i);
    if (row.z != nullptr) repeat_channels(row, x0, block);
    return;
  }
  float* z = row.z + x0 * pitch;
  float* kept = row.x == nullptr ? nullptr : row.x + x0 * pitch;
  const Vector keep = row.keep - Vector{}, back = row.back - Vector{};
  if (row.back == 0.0F) {
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < n; i += kLanes) {
      const Vector value = phi(load(block + i));
      if (kept != nullptr) store(value, kept + i);
      store(keep * value, z + i);
    }
    return;
  }
  const float* previous = row.previous + x0 * pitch;
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const Vector value = phi(load(block + i));
    if (kept != nullptr) store(value, kept + i);
    store(keep * value - back * load(previous + i), z + i);
  }
}

inline void activate(const ConvolutionRow& row, std::int64_t x, float* block) {
  const Vector zero = {}, b = row.threshold - zero;
  switch (row.nonlinearity) {
    case Nonlinearity::soft:
      if (row.threshold >= 0.0F) {
        return keep_block(row, x, block, [b](Vector v) {
          const Vector below = v > b ? b : v;
          return v - (below > -b ? below : -b);
        });
      }
      return keep_block(row, x, block, [b, zero](Vector v) {
        return v > zero ? v - b : (v < zero ? v + b : zero);
      });
    case Nonlinearity::nonneg:
      return keep_block(row, x, block, [b, zero](Vector v) { return larger(v - b, zero); });
    case Nonlinearity::shifted_abs:
      return keep_block(row, x, block, [b](Vector v) { return larger(v + b, -v - b); });
    case Nonlinearity::group_nonneg:
      shrink_groups(row.threshold, block, row.vectors);
      return keep_block(row, x, block, [](Vector v) { return v; });
  }
}

// Past the cache: a map is written once and read by somebody else, if at all.
inline void store_map(Vector v, float* to, std::int64_t pixels, bool stream) {
  if (pixels < kLanes) {
    for (std::int64_t i = 0; i < pixels; ++i) to[i] = v[i];
    return;
  }
#if SPOTCORE_LANES == 16
  if (stream) {
    asm volatile("vmovntps %1, %0" : "=m"(*reinterpret_cast<Vector*>(to)) : "v"(v));
    return;
  }
#endif
  (void)stream;
  store(v, to);
}

inline void write_maps(const ConvolutionRow& row, std::int64_t x, const float* block) {
  const std::int64_t pixels = std::min<std::int64_t>(kLanes, row.pixels - x);
  for (std::int64_t v = 0; v < row.vectors; ++v) {
    Vector tile[kLanes];
#pragma GCC unroll 16
    for (int p = 0; p < kLanes; ++p) tile[p] = load(block + (p * row.vectors + v) * kLanes);
    transpose(tile);
    const std::int64_t first = v * kLanes;
    const std::int64_t end = std::min<std::int64_t>(row.bins, first + kLanes);
    for (std::int64_t k = first; k < end; ++k) {
      store_map(tile[k - first], row.maps + k * row.plane + x, pixels, row.stream);
    }
  }
}

inline void write_scores(const ConvolutionRow& row, std::int64_t x, const float* block) {
  const Vector score = sums_of_channels(block, row.vectors, [&](Vector value, std::int64_t v) {
    return load(row.score_weights + v * kLanes) * value;
  });
  store_map(score, row.scores + x, std::min<std::int64_t>(kLanes, row.pixels - x), false);
}

inline void convolution_row(const ConvolutionRow& row, float* block) {
  for (std::int64_t x = 0; x < row.pixels; x += kLanes) {
    convolution_block(row, x, block);
    activate(row, x, block);
    if (row.maps != nullptr) write_maps(row, x, block);
    if (row.scores != nullptr) write_scores(row, x, block);
  }
#if SPOTCORE_LANES == 16
  if (row.stream && row.maps != nullptr) asm volatile("sfence" ::: "memory");
#endif
}
