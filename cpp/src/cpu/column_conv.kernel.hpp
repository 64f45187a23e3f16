// Convolution along columns of a strip, compiled once per instruction set (see foreach_isa.hpp).
//
// A strip is [rows, kStrip] floats: neighbouring columns lie in the lanes, so that one tap
// multiplies whole vectors and no data moves across lanes. The tile of kTileRows output rows by one
// strip is held in registers while every tap of every source passes by; a row of input that is
// loaded once serves all rows of the tile. The tile leaves as it is, or transposed, so that a next
// pass along the other axis finds what are rows of the image here as columns there.

#include "platform/vector.kernel.hpp"

// Vectors across a strip and rows of a tile: sums, one row of input and a tap fill the registers.
// Four rows waste little on a short kernel: a row of input reaches all of them but for three.
inline constexpr int kVectors = SPOTCORE_REGISTERS == 32 ? (kLanes == 4 ? 6 : 4) : 3;
inline constexpr int kTileRows = 4;
inline constexpr int kStrip = kVectors * kLanes;
// Rows that leave together: as much of a cache line as a strip can hold.
inline constexpr int kGroupRows = kStrip % 16 == 0 ? 16 : kStrip % 8 == 0 ? 8 : 4;
static_assert(kTileRows * kVectors + kVectors + 1 <= SPOTCORE_REGISTERS);
static_assert(kStrip % kGroupRows == 0 && kGroupRows % kTileRows == 0 && kTileRows % 4 == 0);

typedef float Vector4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int Index4 __attribute__((vector_size(16)));

inline StripLayout strip_layout() { return {kStrip, kTileRows}; }

inline Vector4 shuffle(Vector4 a, Vector4 b, Index4 index) {
#if defined(__clang__)
  const Vector4 both[2] = {a, b};
  Vector4 out;
  for (int i = 0; i < 4; ++i) out[i] = both[index[i] / 4][index[i] % 4];
  return out;
#else
  return __builtin_shuffle(a, b, index);
#endif
}

inline void transpose_4x4(const float* in, std::int64_t in_pitch, float* out,
                          std::int64_t out_pitch) {
  const Vector4 r0 = *reinterpret_cast<const Vector4*>(in);
  const Vector4 r1 = *reinterpret_cast<const Vector4*>(in + in_pitch);
  const Vector4 r2 = *reinterpret_cast<const Vector4*>(in + 2 * in_pitch);
  const Vector4 r3 = *reinterpret_cast<const Vector4*>(in + 3 * in_pitch);
  const Vector4 t0 = shuffle(r0, r1, Index4{0, 4, 1, 5});
  const Vector4 t1 = shuffle(r2, r3, Index4{0, 4, 1, 5});
  const Vector4 t2 = shuffle(r0, r1, Index4{2, 6, 3, 7});
  const Vector4 t3 = shuffle(r2, r3, Index4{2, 6, 3, 7});
  *reinterpret_cast<Vector4*>(out) = shuffle(t0, t1, Index4{0, 1, 4, 5});
  *reinterpret_cast<Vector4*>(out + out_pitch) = shuffle(t0, t1, Index4{2, 3, 6, 7});
  *reinterpret_cast<Vector4*>(out + 2 * out_pitch) = shuffle(t2, t3, Index4{0, 1, 4, 5});
  *reinterpret_cast<Vector4*>(out + 3 * out_pitch) = shuffle(t2, t3, Index4{2, 3, 6, 7});
}

inline std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  if (b == 1) return a;  // nearly always; a division takes as long as many rows of a tile
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

// out[i][c] = (or +=) sum over sources and input rows q of  f[tap_index(q, row0 + i)] * strip[q][c]
// for the kTileRows rows i and kStrip columns c of a tile.
//
// Sums in blocks: a register adds kBlockRows products at most before it is added to the tile. One
// running sum over a thousand taps of one sign loses ten times as much to rounding, which 10 000
// iterations of a solver with momentum can see.
template <bool kDecimating>
inline void accumulate_tile(std::span<const ColumnSource> sources, Resampling resampling,
                            std::int64_t rows, std::int64_t row0, float* out,
                            std::int64_t out_pitch, bool add) {
  constexpr std::int64_t kBlockRows = 128;
  const std::int64_t per_output = kDecimating ? resampling.per_output : 1;
  for (const ColumnSource& source : sources) {
    // Taps are padded with zeros on both sides: input rows out of an output row's reach add 0.
    const std::int64_t index0 = resampling.offset + source.half - per_output * row0;
    const std::int64_t last_index = 2 * source.half + per_output * (kTileRows - 1);
    const std::int64_t first = std::max<std::int64_t>(0, -floor_div(index0, resampling.per_input));
    const std::int64_t end =
        std::min(rows, floor_div(last_index - index0, resampling.per_input) + 1);
    // The rows that the next tile will be the first to read.
    const std::int64_t ahead = std::min(rows, end + kTileRows);
    for (std::int64_t row = end; row < ahead; ++row) {
      const float* next = source.strip + row * source.pitch;
      for (int c = 0; c < kStrip; c += 16) __builtin_prefetch(next + c);
    }
    const float* in = source.strip + first * source.pitch;
    const float* tap = source.taps + (index0 + resampling.per_input * first);
    for (std::int64_t block = first; block < end; block += kBlockRows) {
      Vector sum[kTileRows][kVectors] = {};
      const std::int64_t block_end = std::min(end, block + kBlockRows);
      for (std::int64_t row = block; row < block_end;
           ++row, in += source.pitch, tap += resampling.per_input) {
        Vector x[kVectors];
#pragma GCC unroll 6
        for (int v = 0; v < kVectors; ++v) {
          x[v] = load(in + v * kLanes);
        }
#pragma GCC unroll 8
        for (int i = 0; i < kTileRows; ++i) {
          const float f = tap[-i * per_output];
#pragma GCC unroll 6
          for (int v = 0; v < kVectors; ++v) sum[i][v] += f * x[v];
        }
      }
      for (int i = 0; i < kTileRows; ++i) {
        for (int v = 0; v < kVectors; ++v) {
          float* to = out + i * out_pitch + v * kLanes;
          store(add ? load(to) + sum[i][v] : sum[i][v], to);
        }
      }
      add = true;
    }
  }
  if (add) return;
  for (int i = 0; i < kTileRows; ++i) std::fill_n(out + i * out_pitch, kStrip, 0.0F);
}

inline void any_tile(const ColumnTask& task, std::int64_t row0, float* out, std::int64_t out_pitch,
                     bool add) {
  if (task.resampling.per_output == 1) {
    accumulate_tile<false>(task.sources, task.resampling, task.rows, row0, out, out_pitch, add);
  } else {
    accumulate_tile<true>(task.sources, task.resampling, task.rows, row0, out, out_pitch, add);
  }
}

// Tiles leave in groups that fill a cache line.
inline void column_conv_transposed(const ColumnTask& task, float* out, std::int64_t out_pitch) {
  alignas(64) float group[kGroupRows * kStrip];
  alignas(64) float transposed[kGroupRows * kStrip];
  for (std::int64_t row = task.row0; row < task.row1; row += kGroupRows) {
    const std::int64_t valid = std::min<std::int64_t>(kGroupRows, task.row1 - row);
    for (std::int64_t i = 0; i < valid; i += kTileRows) {
      any_tile(task, row + i, group + i * kStrip, kStrip, false);
    }
    const bool whole = valid == kGroupRows && task.columns == kStrip;
    float* to = whole ? out + row : transposed;
    const std::int64_t pitch = whole ? out_pitch : kGroupRows;
    for (int c = 0; c < kStrip; c += 4) {
      for (int i = 0; i < kGroupRows; i += 4) {
        transpose_4x4(group + i * kStrip + c, kStrip, to + c * pitch + i, pitch);
      }
    }
    if (whole) continue;
    for (std::int64_t c = 0; c < task.columns; ++c) {
      std::copy_n(transposed + c * kGroupRows, valid, out + c * out_pitch + row);
    }
  }
}

inline void column_conv(const ColumnTask& task, float* out, std::int64_t out_pitch, bool add) {
  alignas(64) float tile[kTileRows * kStrip];
  for (std::int64_t row = task.row0; row < task.row1; row += kTileRows) {
    float* to = out + (row - task.row0) * out_pitch;
    if (task.row1 - row >= kTileRows && task.columns == kStrip) {
      any_tile(task, row, to, out_pitch, add);
      continue;
    }
    any_tile(task, row, tile, kStrip, false);
    for (std::int64_t i = 0; i < std::min<std::int64_t>(kTileRows, task.row1 - row); ++i) {
      for (std::int64_t c = 0; c < task.columns; ++c) {
        float& value = to[i * out_pitch + c];
        value = add ? value + tile[i * kStrip + c] : tile[i * kStrip + c];
      }
    }
  }
}

// Along a line instead: neighbouring outputs lie in the lanes too, so that each tap reads the line
// at another offset, most of them across cache lines. With two or more factors for what was read
// that costs nothing, and no data need be transposed between the passes. Taps are symmetric: two
// pixels that share a tap are added first.
inline constexpr int kLineVectors = SPOTCORE_REGISTERS == 32 ? 4 : 2;

template <int kFactors>
inline void line_conv_of(const float* line, std::int64_t width, const float* const* taps,
                         std::int64_t half, float* const* out) {
  constexpr std::int64_t kBlockPairs = 64;  // as in accumulate_tile
  for (std::int64_t x = 0; x < width; x += kLineVectors * kLanes) {
    for (std::int64_t block = 0; block == 0 || block < half; block += kBlockPairs) {
      const float* centre = line + x + half;
      Vector sum[kFactors][kLineVectors];
      for (int f = 0; f < kFactors; ++f) {
        for (int v = 0; v < kLineVectors; ++v) {
          const std::int64_t at = v * kLanes;
          sum[f][v] = block == 0 ? taps[f][half] * load(centre + at) : load(out[f] + x + at);
        }
      }
      const std::int64_t block_end = std::min(half, block + kBlockPairs);
      for (std::int64_t m = block + 1; m <= block_end; ++m) {
        Vector in[kLineVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kLineVectors; ++v) {
          in[v] = load(centre - m + v * kLanes) + load(centre + m + v * kLanes);
        }
#pragma GCC unroll 4
        for (int f = 0; f < kFactors; ++f) {
          const float tap = taps[f][half + m];
#pragma GCC unroll 4
          for (int v = 0; v < kLineVectors; ++v) sum[f][v] += tap * in[v];
        }
      }
      for (int f = 0; f < kFactors; ++f) {
        for (int v = 0; v < kLineVectors; ++v) {
          store(sum[f][v], out[f] + x + v * kLanes);
        }
      }
    }
  }
}

inline void line_conv(const float* line, std::int64_t width, std::span<const float* const> taps,
                      std::int64_t half, float* const* out) {
  switch (taps.size()) {
    case 1: return line_conv_of<1>(line, width, taps.data(), half, out);
    case 2: return line_conv_of<2>(line, width, taps.data(), half, out);
    case 3: return line_conv_of<3>(line, width, taps.data(), half, out);
    case 4: return line_conv_of<4>(line, width, taps.data(), half, out);
    default:
      line_conv_of<3>(line, width, taps.data(), half, out);
      return line_conv(line, width, taps.subspan(3), half, out + 3);
  }
}
