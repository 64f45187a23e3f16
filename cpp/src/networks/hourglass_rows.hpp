// Rows between the levels of an hourglass; maps lie as layers.hpp has them.
#pragma once

#include <cstdint>

#include "platform/isa.hpp"

namespace spotcore {

// Means of 2 x 2 pixels of two rows.
struct MeanRow {
  const float* upper;
  const float* lower;
  float* out;
  std::int64_t pixels;  // of out
  std::int64_t pitch;   // floats of a pixel
};

// max(skip + twice, 0): bilinear, three quarters of the nearer of two coarse rows and pixels. Those
// beyond the edge are the edge's own.
struct TwiceRow {
  const float* near;
  const float* far;
  const float* skip;
  float* out;
  std::int64_t pixels;  // of near and far; out has twice as many
  std::int64_t pitch;
};

struct HourglassKernel {
  void (*mean)(const MeanRow& row);
  void (*twice)(const TwiceRow& row);
};

HourglassKernel hourglass_kernel(Isa isa);

}  // namespace spotcore
