// Convolution along columns of a strip, compiled once per instruction set (see foreach_isa.hpp).
//
// A strip is [rows, kStrip] floats: neighbouring columns lie in the lanes, so that one tap
// multiplies whole vectors and no data moves across lanes. The tile of kTileRows output rows by one
// strip is held in registers while every tap of every source passes by; a row of input that is
// loaded once serves all rows of the tile. The tile leaves transposed, so that the next pass finds
// what are rows of the image here as columns there.

// Vectors across a strip and rows of a tile: sums, one row of input and a tap fill the registers.
inline constexpr int kVectors = SPOTCORE_REGISTERS == 32 && SPOTCORE_LANES == 4 ? 6 : 3;
inline constexpr int kTileRows = SPOTCORE_REGISTERS == 32 && SPOTCORE_LANES == 16 ? 8 : 4;
inline constexpr int kStrip = kVectors * SPOTCORE_LANES;
// Rows that leave together: as much of a cache line as a strip can hold.
inline constexpr int kGroupRows = kStrip % 16 == 0 ? 16 : kStrip % 8 == 0 ? 8 : 4;
static_assert(kTileRows * kVectors + kVectors + 1 <= SPOTCORE_REGISTERS);
static_assert(kStrip % kGroupRows == 0 && kGroupRows % kTileRows == 0 && kTileRows % 4 == 0);

typedef float Vector __attribute__((vector_size(4 * SPOTCORE_LANES), aligned(4), may_alias));
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
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

// tile[i][c] = sum over sources and input rows q of  f[tap_index(q, row0 + i)] * strip[q][c]
//
// Sums in blocks: a register adds kBlockRows products at most before it is added to the tile. One
// running sum over a thousand taps of one sign loses ten times as much to rounding, which 10 000
// iterations of a solver with momentum can see.
template <bool kDecimating>
inline void accumulate_tile(std::span<const ColumnSource> sources, Resampling resampling,
                            std::int64_t rows, std::int64_t row0, float* tile) {
  constexpr std::int64_t kBlockRows = 128;
  const std::int64_t per_output = kDecimating ? resampling.per_output : 1;
  std::fill_n(tile, kTileRows * kStrip, 0.0F);
  for (const ColumnSource& source : sources) {
    // Taps are padded with zeros on both sides: input rows out of an output row's reach add 0.
    const std::int64_t index0 = resampling.offset + source.half - per_output * row0;
    const std::int64_t last_index = 2 * source.half + per_output * (kTileRows - 1);
    const std::int64_t first = std::max<std::int64_t>(0, -floor_div(index0, resampling.per_input));
    const std::int64_t end =
        std::min(rows, floor_div(last_index - index0, resampling.per_input) + 1);
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
          x[v] = *reinterpret_cast<const Vector*>(in + v * SPOTCORE_LANES);
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
          *reinterpret_cast<Vector*>(tile + i * kStrip + v * SPOTCORE_LANES) += sum[i][v];
        }
      }
    }
  }
}

// Rows [row0, row1) of the output, summed over sources and written (or added) transposed:
// out[c * out_pitch + row] for c < columns. Tiles leave in groups that fill a cache line.
inline void column_conv(std::span<const ColumnSource> sources, Resampling resampling,
                        std::int64_t rows, std::int64_t columns, std::int64_t row0,
                        std::int64_t row1, float* out, std::int64_t out_pitch, bool add) {
  alignas(64) float group[kGroupRows * kStrip];
  alignas(64) float transposed[kGroupRows * kStrip];
  for (std::int64_t row = row0; row < row1; row += kGroupRows) {
    const std::int64_t valid = std::min<std::int64_t>(kGroupRows, row1 - row);
    for (std::int64_t i = 0; i < valid; i += kTileRows) {
      if (resampling.per_output == 1) {
        accumulate_tile<false>(sources, resampling, rows, row + i, group + i * kStrip);
      } else {
        accumulate_tile<true>(sources, resampling, rows, row + i, group + i * kStrip);
      }
    }
    const bool whole = valid == kGroupRows && columns == kStrip && !add;
    float* to = whole ? out + row : transposed;
    const std::int64_t pitch = whole ? out_pitch : kGroupRows;
    for (int c = 0; c < kStrip; c += 4) {
      for (int i = 0; i < kGroupRows; i += 4) {
        transpose_4x4(group + i * kStrip + c, kStrip, to + c * pitch + i, pitch);
      }
    }
    if (whole) continue;
    for (std::int64_t c = 0; c < columns; ++c) {
      float* at = out + c * out_pitch + row;
      const float* from = transposed + c * kGroupRows;
      for (std::int64_t i = 0; i < valid; ++i) at[i] = add ? at[i] + from[i] : from[i];
    }
  }
}
