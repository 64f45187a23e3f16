// Rows of a network's layers: the inner loops of stream.cpp.
//
// Maps lie with their channels in the lanes: pixel x of a row is `pitch` floats, K rounded up to
// whole vectors, with zeros (or what does no harm) in the rest.
#pragma once

#include <cstdint>

#include "platform/isa.hpp"
#include "spotcore/networks.hpp"

namespace spotcore {

// Rows y - S/2 to y + S/2 of an input, each from the column that the first tap of the first pixel
// reads. Rows outside the image are rows of zeros.
struct Window {
  const float* const* rows;  // [size]
  std::int64_t size;         // S
  std::int64_t pitch;        // floats from one pixel to the next
};

// u = sum_k h_k * z_k - s of one row, whole vectors of pixels.
struct SynthesisRow {
  Window z;
  const float* taps;     // [S rows][vectors][S columns][lanes]
  std::int64_t vectors;  // of a pixel of z
  const float* s;
  float* u;
  std::int64_t pixels;
};

// One row of start + kernels * input, its non-linearity, and what is kept of the result.
struct ConvolutionRow {
  Window input;
  std::int64_t channels;  // of the input, those that count
  bool depthwise;
  const float* taps;         // [S rows][S columns][channels, or 1 if depthwise][vectors][lanes]
  const float* start;        // what the sums begin with: a row of maps, or
  std::int64_t start_pitch;  // 0: one pixel for all
  std::int64_t vectors;      // of an output
  Nonlinearity nonlinearity;
  float threshold;  // b
  std::int64_t pixels;

  float* x;  // the result; may be null
  float* z;  // keep * result - back * previous; may be null
  float keep, back;
  const float* previous;
  std::int64_t repeat;  // z holds each channel so many times (back = 0), in pixels of
  std::int64_t repeat_pitch;

  // Of the last layer. May be null.
  const float* score_weights;  // [vectors][lanes]
  float* scores;
  float* maps;
  std::int64_t plane, bins;  // floats from one map to the next, their number
  bool stream;               // maps are whole cache lines: past the cache
};

struct LayerKernel {
  int lanes;
  void (*synthesis)(const SynthesisRow& row);
  // `block` holds lanes * vectors * lanes floats.
  void (*convolution)(const ConvolutionRow& row, float* block);
};

LayerKernel layer_kernel(Isa isa);

}  // namespace spotcore
