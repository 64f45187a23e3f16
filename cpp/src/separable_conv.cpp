#include "separable_conv.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace spotcore {
namespace {

constexpr std::int64_t kRowsPerTask = 128;  // of filter_rows: enough tasks for every thread

// A is only self-adjoint per bin, as the solvers assume, if every factor is symmetric.
void check_symmetric(std::span<const float> taps, const std::string& name) {
  for (std::size_t m = 0; m < taps.size(); ++m) {
    if (!std::isfinite(taps[m])) throw std::invalid_argument(name + "expected finite taps");
    if (taps[m] != taps[taps.size() - 1 - m]) {
      throw std::invalid_argument(name + "expected symmetric factors");
    }
  }
}

bool all_zero(const std::vector<float>& taps) {
  return std::all_of(taps.begin(), taps.end(), [](float tap) { return tap == 0.0F; });
}

}  // namespace

void check_kernels(const SeparableKernels& kernels) {
  if (kernels.empty())
    throw std::invalid_argument("factors: expected at least one kernel, got none");
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    const SeparableKernel& kernel = kernels[k];
    const std::string name = "factors[" + std::to_string(k) + "]: ";
    if (kernel.rank < 1 || kernel.length < 1 || kernel.length % 2 == 0 ||
        kernel.taps.size() != static_cast<std::size_t>(kernel.rank * kernel.length)) {
      throw std::invalid_argument(name + "expected [rank >= 1, odd length], got [" +
                                  std::to_string(kernel.rank) + ", " +
                                  std::to_string(kernel.length) + "]");
    }
    for (std::int64_t r = 0; r < kernel.rank; ++r) {
      check_symmetric({kernel.factor(r), static_cast<std::size_t>(kernel.length)}, name);
    }
    if (all_zero(kernel.taps)) {
      throw std::invalid_argument(name + "expected a kernel that is not all zero");
    }
    if (kernel.scale < 1 || (kernel.scale == 1) != kernel.lowpass.empty() ||
        (kernel.scale > 1 && kernel.lowpass.size() % 2 == 0)) {
      throw std::invalid_argument(
          name + "expected scale 1, or a scale > 1 with a low-pass of odd length, got scale " +
          std::to_string(kernel.scale) + " and length " + std::to_string(kernel.lowpass.size()));
    }
    check_symmetric(kernel.lowpass, name + "low-pass: ");
  }
}

SeparablePlan::SeparablePlan(const SeparableKernels& kernels, ImageSize input, ImageSize output,
                             Resampling resampling, Isa isa, ThreadPool& pool)
    : input_(input),
      output_(output),
      resampling_(resampling),
      column_(column_kernel(isa)),
      pool_(pool) {
  const std::int64_t strip = column_.layout.width;
  const std::int64_t padding = resampling.per_output * (column_.layout.tile_rows - 1);
  for (const SeparableKernel& kernel : kernels) {
    kernels_.push_back({kernel.half(), taps_.size(), static_cast<std::size_t>(kernel.rank)});
    for (std::int64_t r = 0; r < kernel.rank; ++r) {
      taps_.emplace_back(static_cast<std::size_t>(kernel.length + 2 * padding));
      std::copy_n(kernel.factor(r), kernel.length, taps_.back().get() + padding);
    }
  }
  costliest_.resize(kernels_.size());
  std::iota(costliest_.begin(), costliest_.end(), std::size_t{0});
  std::stable_sort(costliest_.begin(), costliest_.end(), [&](std::size_t a, std::size_t b) {
    return kernels[a].taps.size() > kernels[b].taps.size();
  });

  row_strips_ = (output.height + strip - 1) / strip;
  const std::int64_t strip_size = input.width * strip;
  strips_ = AlignedBuffer(taps_.size() * static_cast<std::size_t>(row_strips_ * strip_size));
  for (std::int64_t t = 0; t < row_strips_; ++t) {
    for (const Kernel& kernel : kernels_) {
      for (std::size_t f = kernel.first_factor; f < kernel.first_factor + kernel.rank; ++f) {
        const float* data =
            strips_.get() + (static_cast<std::int64_t>(f) * row_strips_ + t) * strip_size;
        sources_.push_back({data, strip, taps_[f].get() + padding, kernel.half});
      }
    }
  }
  pack_all_ = resampling.per_output == 1;
  for (int worker = 0; worker < pool.size(); ++worker) {
    packed_.emplace_back(static_cast<std::size_t>(input.height * strip));
  }
}

// Copies columns [x0, W) of the last, narrower strip; columns beyond the image keep what they hold,
// which reaches only lanes that nobody reads.
void SeparablePlan::pack(const float* image, std::int64_t x0, float* strip) const {
  const std::int64_t strip_width = column_.layout.width;
  const std::int64_t columns = std::min(strip_width, input_.width - x0);
  for (std::int64_t y = 0; y < input_.height; ++y) {
    std::copy_n(image + y * input_.width + x0, columns, strip + y * strip_width);
  }
}

void SeparablePlan::filter_columns(std::span<const float* const> images) {
  const std::int64_t strip_width = column_.layout.width;
  const std::int64_t column_strips = (input_.width + strip_width - 1) / strip_width;
  const auto tasks = static_cast<std::int64_t>(kernels_.size()) * column_strips;
  pool_.run(tasks, [&](std::int64_t task, int worker) {
    const std::size_t k = costliest_[static_cast<std::size_t>(task / column_strips)];
    const std::int64_t x0 = task % column_strips * strip_width;
    const std::int64_t columns = std::min(strip_width, input_.width - x0);
    const float* image = images.size() == 1 ? images[0] : images[k];
    const float* strip = image + x0;
    std::int64_t pitch = input_.width;
    if (columns < strip_width || pack_all_) {
      strip = packed_[static_cast<std::size_t>(worker)].get();
      pitch = strip_width;
      pack(image, x0, packed_[static_cast<std::size_t>(worker)].get());
    }
    const Kernel& kernel = kernels_[k];
    for (std::size_t f = kernel.first_factor; f < kernel.first_factor + kernel.rank; ++f) {
      const ColumnSource source{strip, pitch, sources_[f].taps, kernel.half};
      for (std::int64_t t = 0; t < row_strips_; ++t) {
        const std::int64_t y0 = t * strip_width;
        const std::int64_t strip_at =
            ((static_cast<std::int64_t>(f) * row_strips_ + t) * input_.width + x0) * strip_width;
        column_.conv({&source, 1}, resampling_, input_.height, columns, y0,
                     std::min(output_.height, y0 + strip_width), strips_.get() + strip_at - y0,
                     strip_width, false);
      }
    }
  });
}

void SeparablePlan::filter_rows(std::span<float* const> images, bool add) {
  const std::int64_t strip_width = column_.layout.width;
  const std::int64_t chunks = (output_.width + kRowsPerTask - 1) / kRowsPerTask;
  const std::int64_t tasks_per_image = row_strips_ * chunks;
  const bool sum_over_kernels = images.size() == 1;
  pool_.run(
      static_cast<std::int64_t>(images.size()) * tasks_per_image, [&](std::int64_t task, int) {
        const std::int64_t t = task % tasks_per_image / chunks;
        const std::int64_t x0 = task % chunks * kRowsPerTask;
        std::span<const ColumnSource> sources(sources_);
        sources = sources.subspan(static_cast<std::size_t>(t) * taps_.size(), taps_.size());
        std::size_t k = 0;
        if (!sum_over_kernels) {
          k = costliest_[static_cast<std::size_t>(task / tasks_per_image)];
          sources = sources.subspan(kernels_[k].first_factor, kernels_[k].rank);
        }
        const std::int64_t y0 = t * strip_width;
        column_.conv(sources, resampling_, input_.width, std::min(strip_width, output_.height - y0),
                     x0, std::min(output_.width, x0 + kRowsPerTask), images[k] + y0 * output_.width,
                     output_.width, add);
      });
}

}  // namespace spotcore
