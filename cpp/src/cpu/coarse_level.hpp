// The kernels that are computed on one coarse grid.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/resampler.hpp"
#include "cpu/separable_conv.hpp"
#include "spotcore/views.hpp"

namespace spotcore {

// The kernels of one scale s > 1 and the memory of their images: before D, after it and after D^T.
// D's first pass and D^T's last work on pieces of the image; those between are cut into tasks.
class CoarseLevel {
 public:
  // `band_rows`: rows of the image that are decimated together.
  CoarseLevel(const SeparableKernels& kernels, std::vector<std::int64_t> bins, ImageSize size,
              std::int64_t band_rows, Isa isa, int workers);

  std::size_t size() const { return bins_.size(); }
  std::int64_t bin(std::size_t j) const { return bins_[j]; }  // of the stack

  // D of an image: columns [x0, x1), then rows.
  void decimate_columns(ImageView d, std::int64_t x0, std::int64_t x1, float* packed);
  std::int64_t decimate_tasks() const { return strips(); }
  void decimate_rows(std::int64_t task);
  // D of the maps of a stack: each band while it is in the cache, then the sum over bands.
  void decimate_band(StackView a, std::int64_t band, float* packed, int worker);
  std::int64_t sum_tasks() const { return static_cast<std::int64_t>(size()); }
  void sum_bands(std::int64_t task);

  // Then, for one image, or one per kernel:
  std::int64_t first_tasks() const { return factors_.first_tasks(); }
  void first_pass(std::size_t inputs, std::int64_t task, int worker);
  std::int64_t second_tasks(std::size_t outputs) const { return factors_.second_tasks(outputs); }
  void second_pass(std::size_t outputs, std::int64_t task);
  std::int64_t interpolate_tasks(std::size_t images) const;
  void interpolate_rows(std::int64_t task);
  // Rows [y0, y1) and columns [x0, x1) of the image; `out` is where the first of them goes.
  void interpolate(std::size_t j, std::int64_t y0, std::int64_t y1, std::int64_t x0,
                   std::int64_t x1, float* out, std::int64_t pitch, bool add) const {
    resampler_.interpolate_columns(interpolated(j), y0, y1, x0, x1, out, pitch, add);
  }

 private:
  static std::int64_t at(std::size_t j, std::int64_t height, std::int64_t width) {
    return static_cast<std::int64_t>(j) * height * width;
  }
  float* coarse(std::size_t j) { return coarse_.get() + at(j, grid_.width, grid_.height); }
  float* interpolated(std::size_t j) const {
    return interpolated_.get() + at(j, grid_.height, image_.width);
  }
  Resampler::Rows reached(std::int64_t band) const;
  float* partial(std::int64_t band) { return partial_.get() + band * grid_.width * pitch_; }
  std::int64_t strips() const;  // of a coarse image
  std::int64_t chunks() const;  // of a line of the image

  std::vector<std::int64_t> bins_;
  Resampler resampler_;
  ImageSize image_, grid_;
  SeparablePlan factors_;
  AlignedBuffer decimated_;               // [W, Hc], of an image
  AlignedBuffer coarse_, interpolated_;   // [K_s] of [Wc, Hc] and [Hc, W]
  std::int64_t band_rows_, bands_;        // of the image
  std::int64_t band_size_, pitch_;        // coarse rows that a band reaches, those of all kernels
  std::vector<AlignedBuffer> band_half_;  // [workers] of [W, pitch_]
  AlignedBuffer partial_;                 // [bands][Wc, pitch_]
  std::vector<float*> outputs_;           // of coarse_
  std::vector<const float*> inputs_;
};

}  // namespace spotcore
