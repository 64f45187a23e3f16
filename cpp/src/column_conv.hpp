// Convolution along the columns of strips: the inner loop of every separable convolution.
#pragma once

#include <cstdint>
#include <span>

#include "isa.hpp"

namespace spotcore {

// Width of a strip in floats and rows of a register tile; depends on the instruction set.
struct StripLayout {
  int width;
  int tile_rows;
};

// How rows of the output sample rows of the input: the tap between input row q and output row r is
//   taps[per_input q - per_output r + offset + half].
// 1, 1, 0 is a convolution; s, 1 decimates by s; 1, s interpolates by s (per_output, per_input).
struct Resampling {
  std::int64_t per_output = 1;
  std::int64_t per_input = 1;
  std::int64_t offset = 0;
};

// One input strip [rows, width] of a larger image and the factor that it is convolved with.
struct ColumnSource {
  const float* strip;
  std::int64_t pitch;  // floats from one row to the next
  const float* taps;   // 2 half + 1 taps, per_output (tile_rows - 1) zeros before and after them
  std::int64_t half;
};

struct ColumnKernel {
  StripLayout layout;
  // out[c * out_pitch + r] = (or +=) sum_sources sum_q taps[..] strip[q][c] over 0 <= q < rows, for
  // row0 <= r < row1 and c < columns <= layout.width.
  void (*conv)(std::span<const ColumnSource> sources, Resampling resampling, std::int64_t rows,
               std::int64_t columns, std::int64_t row0, std::int64_t row1, float* out,
               std::int64_t out_pitch, bool add);
};

ColumnKernel column_kernel(Isa isa);

}  // namespace spotcore
