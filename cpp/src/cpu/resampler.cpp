#include "cpu/resampler.hpp"

#include <algorithm>

namespace spotcore {

Resampler::Resampler(const std::vector<float>& lowpass, std::int64_t scale, ImageSize size, Isa isa)
    : size_(size),
      column_(column_kernel(isa)),
      half_(static_cast<std::int64_t>(lowpass.size() / 2)) {
  // Coarse row n lies at s (n - margin).
  const std::int64_t margin = half_ / scale;
  grid_ = {(size.height - 1 + half_) / scale + 1 + margin,
           (size.width - 1 + half_) / scale + 1 + margin};
  decimate_ = {scale, 1, scale * margin};
  interpolate_ = {1, scale, -scale * margin};
  const std::int64_t padding = scale * (column_.layout.tile_rows - 1);
  taps_ = AlignedBuffer(lowpass.size() + static_cast<std::size_t>(2 * padding));
  std::copy(lowpass.begin(), lowpass.end(), taps_.get() + padding);
  first_tap_ = taps_.get() + padding;
}

void Resampler::decimate_columns(const float* image, std::int64_t x0, std::int64_t x1,
                                 float* packed, float* half) const {
  const std::int64_t width = column_.layout.width;
  for (std::int64_t x = x0; x < x1; x += width) {
    // A row is read but a few times: only where a strip would reach beyond the image is it copied.
    const bool whole = x + width <= size_.width;
    if (!whole) pack_strip(image, size_, x, width, packed);
    const ColumnSource source{whole ? image + x : packed, whole ? size_.width : width, first_tap_,
                              half_};
    column_.conv_transposed(
        {{&source, 1}, decimate_, size_.height, std::min(width, x1 - x), 0, grid_.height},
        half + x * grid_.height, grid_.height);
  }
}

Resampler::Rows Resampler::reached(std::int64_t y0, std::int64_t y1) const {
  // |y - s (n - margin)| <= half for one of them
  const std::int64_t s = decimate_.per_output;
  return {(y0 - half_ + decimate_.offset + s - 1) / s, (y1 - 1 + half_ + decimate_.offset) / s + 1};
}

void Resampler::decimate_band(const float* image, std::int64_t y0, std::int64_t y1,
                              std::int64_t count, float* packed, float* half,
                              std::int64_t pitch) const {
  const std::int64_t width = column_.layout.width;
  const std::int64_t first = reached(y0, y1).first;
  const Resampling rows{decimate_.per_output, 1, decimate_.offset + y0};
  const float* band = image + y0 * size_.width;
  for (std::int64_t x = 0; x < size_.width; x += width) {
    const bool whole = x + width <= size_.width;
    if (!whole) pack_strip(band, {y1 - y0, size_.width}, x, width, packed);
    const ColumnSource source{whole ? band + x : packed, whole ? size_.width : width, first_tap_,
                              half_};
    column_.conv_transposed(
        {{&source, 1}, rows, y1 - y0, std::min(width, size_.width - x), first, first + count},
        half + x * pitch - first, pitch);
  }
}

void Resampler::decimate_band_rows(const float* half, std::int64_t pitch, float* coarse) const {
  const std::int64_t width = column_.layout.width;
  for (std::int64_t c = 0; c < pitch; c += width) {
    const ColumnSource source{half + c, pitch, first_tap_, half_};
    column_.conv({{&source, 1}, decimate_, size_.width, std::min(width, pitch - c), 0, grid_.width},
                 coarse + c, pitch, false);
  }
}

void Resampler::decimate_rows(const float* half, std::int64_t c0, float* coarse) const {
  const std::int64_t columns = std::min<std::int64_t>(strip_width(), grid_.height - c0);
  const ColumnSource source{half + c0, grid_.height, first_tap_, half_};
  column_.conv({{&source, 1}, decimate_, size_.width, columns, 0, grid_.width}, coarse + c0,
               grid_.height, false);
}

void Resampler::interpolate_rows(const float* coarse, std::int64_t c0, std::int64_t x0,
                                 std::int64_t x1, float* half) const {
  const std::int64_t columns = std::min<std::int64_t>(strip_width(), grid_.height - c0);
  const ColumnSource source{coarse + c0, grid_.height, first_tap_, half_};
  column_.conv_transposed({{&source, 1}, interpolate_, grid_.width, columns, x0, x1},
                          half + c0 * size_.width, size_.width);
}

void Resampler::interpolate_columns(const float* half, std::int64_t y0, std::int64_t y1,
                                    std::int64_t x0, std::int64_t x1, float* out,
                                    std::int64_t out_pitch, bool add) const {
  const std::int64_t width = column_.layout.width;
  for (std::int64_t x = x0; x < x1; x += width) {
    const ColumnSource source{half + x, size_.width, first_tap_, half_};
    column_.conv({{&source, 1}, interpolate_, grid_.height, std::min(width, x1 - x), y0, y1},
                 out + (x - x0), out_pitch, add);
  }
}

}  // namespace spotcore
