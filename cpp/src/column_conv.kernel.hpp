// Convolution along columns of a strip, compiled once per instruction set (see foreach_isa.hpp).
//
// A strip is [rows, kStrip] floats: neighbouring columns lie in the lanes, so that one tap
// multiplies whole vectors and no data moves across lanes. The tile of kTileRows output rows by one
// strip is held in registers while every tap of every source passes by; a row of input that is
// loaded once serves all rows of the tile. The tile leaves transposed, so that the next pass finds
// what are rows of the image here as columns there.

inline constexpr int kVectors = 3;  // vectors across a strip
inline constexpr int kTileRows = SPOTCORE_REGISTERS == 32 ? 8 : 4;
inline constexpr int kStrip = kVectors * SPOTCORE_LANES;
static_assert(kTileRows * kVectors + kVectors + 1 <= SPOTCORE_REGISTERS);
static_assert(kStrip % kTileRows == 0 && kTileRows % 4 == 0 && kStrip % 4 == 0);

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

// tile[i][c] = sum over sources and rows of  f[row - (row0 + i) + half] * strip[row][c]
inline void accumulate_tile(std::span<const ColumnSource> sources, std::int64_t rows,
                            std::int64_t row0, float* tile) {
  Vector sum[kTileRows][kVectors] = {};
  for (const ColumnSource& source : sources) {
    const std::int64_t first = std::max<std::int64_t>(0, row0 - source.half);
    const std::int64_t last = std::min(rows - 1, row0 + kTileRows - 1 + source.half);
    const float* in = source.strip + first * kStrip;
    // Taps are padded with kTileRows - 1 zeros on both sides: rows out of a row's reach add 0.
    const float* tap = source.taps + (first - row0 + source.half);
    for (std::int64_t row = first; row <= last; ++row, in += kStrip, ++tap) {
      Vector x[kVectors];
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) {
        x[v] = *reinterpret_cast<const Vector*>(in + v * SPOTCORE_LANES);
      }
#pragma GCC unroll 8
      for (int i = 0; i < kTileRows; ++i) {
        const float f = tap[-i];
#pragma GCC unroll 3
        for (int v = 0; v < kVectors; ++v) sum[i][v] += f * x[v];
      }
    }
  }
  for (int i = 0; i < kTileRows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      *reinterpret_cast<Vector*>(tile + i * kStrip + v * SPOTCORE_LANES) = sum[i][v];
    }
  }
}

// Rows [row0, row1) of the column convolution, summed over sources and written transposed:
// out[c * out_pitch + row] for c < columns.
inline void column_conv(std::span<const ColumnSource> sources, std::int64_t rows,
                        std::int64_t columns, std::int64_t row0, std::int64_t row1, float* out,
                        std::int64_t out_pitch) {
  alignas(64) float tile[kTileRows * kStrip];
  for (std::int64_t row = row0; row < row1; row += kTileRows) {
    accumulate_tile(sources, rows, row, tile);
    const std::int64_t valid = std::min<std::int64_t>(kTileRows, row1 - row);
    if (valid == kTileRows && columns == kStrip) {
      for (int c = 0; c < kStrip; c += 4) {
        for (int i = 0; i < kTileRows; i += 4) {
          transpose_4x4(tile + i * kStrip + c, kStrip, out + c * out_pitch + row + i, out_pitch);
        }
      }
    } else {
      for (std::int64_t c = 0; c < columns; ++c) {
        for (std::int64_t i = 0; i < valid; ++i)
          out[c * out_pitch + row + i] = tile[i * kStrip + c];
      }
    }
  }
}
