#include "cpu/coarse_level.hpp"

#include <algorithm>

namespace spotcore {
namespace {

constexpr std::int64_t kPixelsPerTask = 128;  // of a line that is interpolated
constexpr std::int64_t kLine = 16;            // floats of a line of the cache, which leave together

AlignedBuffer images(std::size_t count, std::int64_t height, std::int64_t width) {
  return AlignedBuffer(count * static_cast<std::size_t>(height * width) + Resampler::kSlack);
}

}  // namespace

CoarseLevel::CoarseLevel(const SeparableKernels& kernels, std::vector<std::int64_t> bins,
                         ImageSize size, std::int64_t band_rows, Isa isa, int workers)
    : bins_(std::move(bins)),
      resampler_(kernels.front().lowpass, kernels.front().scale, size, isa),
      image_(size),
      grid_(resampler_.grid()),
      factors_(kernels, {grid_.width, grid_.height}, isa, workers),
      decimated_(images(1, size.width, grid_.height)),
      coarse_(images(kernels.size(), grid_.width, grid_.height)),
      interpolated_(images(kernels.size(), grid_.height, size.width)),
      band_rows_(band_rows),
      bands_(ceil_div(size.height, band_rows)),
      band_size_(0) {
  for (std::int64_t b = 0; b < bands_; ++b) {
    band_size_ = std::max(band_size_, ceil_div(reached(b).count(), kLine) * kLine);
  }
  pitch_ = static_cast<std::int64_t>(kernels.size()) * band_size_;
  for (int worker = 0; worker < workers; ++worker) {
    band_half_.push_back(images(1, size.width, pitch_));
  }
  partial_ = images(static_cast<std::size_t>(bands_), grid_.width, pitch_);
  for (std::size_t j = 0; j < kernels.size(); ++j) {
    inputs_.push_back(coarse(j));
    outputs_.push_back(coarse(j));
  }
}

std::int64_t CoarseLevel::strips() const {
  return ceil_div(grid_.height, resampler_.strip_width());
}

std::int64_t CoarseLevel::chunks() const { return ceil_div(image_.width, kPixelsPerTask); }

Resampler::Rows CoarseLevel::reached(std::int64_t band) const {
  const std::int64_t y0 = band * band_rows_;
  return resampler_.reached(y0, std::min(image_.height, y0 + band_rows_));
}

void CoarseLevel::decimate_band(StackView a, std::int64_t band, float* packed, int worker) {
  const std::int64_t y0 = band * band_rows_, y1 = std::min(image_.height, y0 + band_rows_);
  float* half = band_half_[static_cast<std::size_t>(worker)].get();
  for (std::size_t j = 0; j < size(); ++j) {
    resampler_.decimate_band(a.plane(bin(j)), y0, y1, band_size_, packed,
                             half + static_cast<std::int64_t>(j) * band_size_, pitch_);
  }
  resampler_.decimate_band_rows(half, pitch_, partial(band));
}

// In the order of the bands, whoever worked on them.
void CoarseLevel::sum_bands(std::int64_t task) {
  float* image = coarse(static_cast<std::size_t>(task));
  for (std::int64_t x = 0; x < grid_.width; ++x) {
    float* to = image + x * grid_.height;
    std::fill_n(to, grid_.height, 0.0F);
    for (std::int64_t b = 0; b < bands_; ++b) {
      const Resampler::Rows rows = reached(b);
      const float* from = partial(b) + x * pitch_ + task * band_size_;
      for (std::int64_t n = 0; n < rows.count(); ++n) to[rows.first + n] += from[n];
    }
  }
}

void CoarseLevel::decimate_columns(ImageView d, std::int64_t x0, std::int64_t x1, float* packed) {
  resampler_.decimate_columns(d.data, x0, x1, packed, decimated_.get());
}

void CoarseLevel::decimate_rows(std::int64_t task) {
  resampler_.decimate_rows(decimated_.get(), task * resampler_.strip_width(), coarse(0));
}

void CoarseLevel::first_pass(std::size_t inputs, std::int64_t task, int worker) {
  factors_.first_pass(std::span(inputs_).first(inputs), task, worker);
}

void CoarseLevel::second_pass(std::size_t outputs, std::int64_t task) {
  factors_.second_pass(std::span(outputs_).first(outputs), task);
}

std::int64_t CoarseLevel::interpolate_tasks(std::size_t images) const {
  return static_cast<std::int64_t>(images) * strips() * chunks();
}

void CoarseLevel::interpolate_rows(std::int64_t task) {
  const auto j = static_cast<std::size_t>(task / (strips() * chunks()));
  const std::int64_t c0 = task / chunks() % strips() * resampler_.strip_width();
  const std::int64_t x0 = task % chunks() * kPixelsPerTask;
  resampler_.interpolate_rows(coarse(j), c0, x0, std::min(image_.width, x0 + kPixelsPerTask),
                              interpolated(j));
}

}  // namespace spotcore
