// Filters along the columns of strips: the inner loop of everything that is separable.
#pragma once

#include <cstdint>
#include <span>

#include "platform/isa.hpp"

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

// One input strip [rows, width] of a larger image and the factor that it is filtered with. A strip
// is read in its whole width, even where fewer columns are wanted.
struct ColumnSource {
  const float* strip;
  std::int64_t pitch;  // floats from one row to the next
  const float* taps;   // 2 half + 1 taps, per_output (tile_rows - 1) zeros before and after them
  std::int64_t half;
};

// y[r, c] = sum_sources sum_q taps[..] strip[q, c] over 0 <= q < rows,
// for row0 <= r < row1 and c < columns <= layout.width.
struct ColumnTask {
  std::span<const ColumnSource> sources;
  Resampling resampling;
  std::int64_t rows, columns, row0, row1;
};

struct ColumnKernel {
  StripLayout layout;
  // out[(r - row0) out_pitch + c] = (or +=) y[r, c]
  void (*conv)(const ColumnTask& task, float* out, std::int64_t out_pitch, bool add);
  // out[c out_pitch + r] = y[r, c]
  void (*conv_transposed)(const ColumnTask& task, float* out, std::int64_t out_pitch);
  // Along a line: out[f][x] = sum_m taps[f][m] line[x + m] for m <= 2 half and x < width, with
  // symmetric taps. The line and the outputs have kSlack more floats; those of the outputs are
  // overwritten.
  void (*line_conv)(const float* line, std::int64_t width, std::span<const float* const> taps,
                    std::int64_t half, float* const* out);
  static constexpr std::int64_t kSlack = 64;
};

ColumnKernel column_kernel(Isa isa);

}  // namespace spotcore
