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

// One input strip [rows, width] and the factor that it is convolved with.
struct ColumnSource {
  const float* strip;
  const float* taps;  // 2 half + 1 taps with tile_rows - 1 zeros before and after them
  std::int64_t half;
};

struct ColumnKernel {
  StripLayout layout;
  // out[c * out_pitch + row] = sum_sources sum_m taps[m + half] strip[row + m][c], zeros outside
  // [0, rows), for row0 <= row < row1 and c < columns <= layout.width.
  void (*conv)(std::span<const ColumnSource> sources, std::int64_t rows, std::int64_t columns,
               std::int64_t row0, std::int64_t row1, float* out, std::int64_t out_pitch);
};

ColumnKernel column_kernel(Isa isa);

}  // namespace spotcore
