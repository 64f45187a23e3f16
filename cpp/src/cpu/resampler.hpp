// From the image's grid to a coarser one and back.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/column_conv.hpp"
#include "cpu/separable_conv.hpp"
#include "platform/aligned.hpp"

namespace spotcore {

// D filters both axes with a low-pass p and keeps every s-th pixel; D^T is its exact transpose.
// Along one axis  (D x)[n] = sum_x p(x - s (n - margin)) x,  for every n that some pixel reaches.
//
// Each of the four passes works on a strip of columns of its input, so that a caller can share out
// the strips, or run a pass on what it has just written:
//   image [H, W]  decimate_columns>  [W, Hc]  decimate_rows>  coarse [Wc, Hc]
//   coarse [Wc, Hc]  interpolate_rows>  [Hc, W]  interpolate_columns>  image [H, W]
// The coarse image is held transposed: rows there are columns here. Buffers of ours have kSlack
// floats after their last pixel, because strips are read in their whole width.
class Resampler {
 public:
  static constexpr std::int64_t kSlack = 64;

  Resampler(const std::vector<float>& lowpass, std::int64_t scale, ImageSize size, Isa isa);

  ImageSize grid() const { return grid_; }  // Hc, Wc
  std::int64_t strip_width() const { return column_.layout.width; }

  // Coarse rows [first, end) that image rows [y0, y1) reach.
  struct Rows {
    std::int64_t first, end;
    std::int64_t count() const { return end - first; }
  };
  Rows reached(std::int64_t y0, std::int64_t y1) const;

  // Columns [x0, x1) of an image; `packed` is scratch, [H][strip width].
  void decimate_columns(const float* image, std::int64_t x0, std::int64_t x1, float* packed,
                        float* half) const;
  // What image rows [y0, y1) alone give, all columns: [W, pitch], of which the first `count`
  // columns are coarse rows from reached(y0, y1).first on.
  void decimate_band(const float* image, std::int64_t y0, std::int64_t y1, std::int64_t count,
                     float* packed, float* half, std::int64_t pitch) const;
  // [W, pitch] to [Wc, pitch], all of them.
  void decimate_band_rows(const float* half, std::int64_t pitch, float* coarse) const;
  // Columns [c0, c0 + strip width) of [W, Hc].
  void decimate_rows(const float* half, std::int64_t c0, float* coarse) const;
  // Columns [c0, c0 + strip width) of [Wc, Hc], to columns [x0, x1) of [Hc, W].
  void interpolate_rows(const float* coarse, std::int64_t c0, std::int64_t x0, std::int64_t x1,
                        float* half) const;
  // Rows [y0, y1) and columns [x0, x1) of the image; `out` is where the first of them goes.
  void interpolate_columns(const float* half, std::int64_t y0, std::int64_t y1, std::int64_t x0,
                           std::int64_t x1, float* out, std::int64_t out_pitch, bool add) const;

 private:
  ImageSize size_, grid_;
  ColumnKernel column_;
  Resampling decimate_, interpolate_;
  std::int64_t half_;
  AlignedBuffer taps_;
  const float* first_tap_;
};

}  // namespace spotcore
