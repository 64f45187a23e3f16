#include "separable_conv.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace spotcore {
namespace {

constexpr std::int64_t kRowsPerTask = 128;  // of filter_rows: enough tasks for every thread

}  // namespace

void check_kernels(const SeparableKernels& kernels) {
  if (kernels.empty())
    throw std::invalid_argument("factors: expected at least one kernel, got none");
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    const SeparableKernel& kernel = kernels[k];
    const std::string name = "factors[" + std::to_string(k) + "]: ";
    if (kernel.rank < 1 || kernel.length < 1 || kernel.length % 2 == 0 ||
        kernel.taps.size() != static_cast<std::size_t>(kernel.rank * kernel.length)) {
      throw std::invalid_argument(name + "expected factors [rank >= 1, odd length], got [" +
                                  std::to_string(kernel.rank) + ", " +
                                  std::to_string(kernel.length) + "]");
    }
    bool all_zero = true;
    for (std::int64_t r = 0; r < kernel.rank; ++r) {
      const float* f = kernel.factor(r);
      for (std::int64_t m = 0; m < kernel.length; ++m) {
        if (!std::isfinite(f[m])) throw std::invalid_argument(name + "expected finite taps");
        // A is only self-adjoint per bin, as the solvers assume, if every factor is symmetric.
        if (f[m] != f[kernel.length - 1 - m]) {
          throw std::invalid_argument(name + "expected symmetric factors");
        }
        all_zero = all_zero && f[m] == 0.0F;
      }
    }
    if (all_zero) throw std::invalid_argument(name + "expected a kernel that is not all zero");
  }
}

SeparablePlan::SeparablePlan(const SeparableKernels& kernels, std::int64_t height,
                             std::int64_t width, Isa isa, ThreadPool& pool)
    : height_(height), width_(width), column_(column_kernel(isa)), pool_(pool) {
  check_kernels(kernels);
  if (height < 1 || width < 1) {
    throw std::invalid_argument("image size: expected at least 1x1, got " + std::to_string(height) +
                                "x" + std::to_string(width));
  }
  const std::int64_t strip = column_.layout.width;
  const std::int64_t padding = column_.layout.tile_rows - 1;
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

  row_strips_ = (height + strip - 1) / strip;
  const std::int64_t strip_size = width * strip;
  strips_ = AlignedBuffer(taps_.size() * static_cast<std::size_t>(row_strips_ * strip_size));
  for (std::int64_t t = 0; t < row_strips_; ++t) {
    for (const Kernel& kernel : kernels_) {
      for (std::size_t f = kernel.first_factor; f < kernel.first_factor + kernel.rank; ++f) {
        const float* data =
            strips_.get() + (static_cast<std::int64_t>(f) * row_strips_ + t) * strip_size;
        sources_.push_back({data, taps_[f].get() + padding, kernel.half});
      }
    }
  }
  for (int worker = 0; worker < pool.size(); ++worker) {
    packed_.emplace_back(static_cast<std::size_t>(height * strip));
  }
}

// Copies columns [x0, x0 + strip width) into a strip; columns beyond the image keep what they hold,
// which reaches only lanes that nobody reads.
void SeparablePlan::pack(ImageView image, std::int64_t x0, float* strip) const {
  const std::int64_t strip_width = column_.layout.width;
  const std::int64_t columns = std::min(strip_width, width_ - x0);
  for (std::int64_t y = 0; y < height_; ++y) {
    std::copy_n(image.row(y) + x0, columns, strip + y * strip_width);
  }
}

void SeparablePlan::filter_columns(StackView x) {
  const std::int64_t strip_width = column_.layout.width;
  const std::int64_t column_strips = (width_ + strip_width - 1) / strip_width;
  pool_.run(bins() * column_strips, [&](std::int64_t task, int worker) {
    const std::size_t k = costliest_[static_cast<std::size_t>(task / column_strips)];
    const std::int64_t x0 = task % column_strips * strip_width;
    const std::int64_t columns = std::min(strip_width, width_ - x0);
    float* packed = packed_[static_cast<std::size_t>(worker)].get();
    pack(x.image(x.bins == 1 ? 0 : static_cast<std::int64_t>(k)), x0, packed);
    const Kernel& kernel = kernels_[k];
    for (std::size_t f = kernel.first_factor; f < kernel.first_factor + kernel.rank; ++f) {
      const ColumnSource source{packed, sources_[f].taps, kernel.half};
      for (std::int64_t t = 0; t < row_strips_; ++t) {
        const std::int64_t y0 = t * strip_width;
        float* out = strips_.get() +
                     ((static_cast<std::int64_t>(f) * row_strips_ + t) * width_ + x0) * strip_width;
        column_.conv({&source, 1}, height_, columns, y0, std::min(height_, y0 + strip_width),
                     out - y0, strip_width);
      }
    }
  });
}

void SeparablePlan::filter_rows(StackSpan y) {
  const std::int64_t strip_width = column_.layout.width;
  const std::int64_t chunks = (width_ + kRowsPerTask - 1) / kRowsPerTask;
  const std::int64_t tasks_per_image = row_strips_ * chunks;
  pool_.run(y.bins * tasks_per_image, [&](std::int64_t task, int) {
    const std::int64_t group = task / tasks_per_image;
    const std::int64_t t = task % tasks_per_image / chunks;
    const std::int64_t x0 = task % chunks * kRowsPerTask;
    std::span<const ColumnSource> sources(sources_);
    sources = sources.subspan(static_cast<std::size_t>(t) * taps_.size(), taps_.size());
    std::size_t k = 0;
    if (y.bins > 1 || kernels_.size() == 1) {
      k = costliest_[static_cast<std::size_t>(group)];
      sources = sources.subspan(kernels_[k].first_factor, kernels_[k].rank);
    }
    const std::int64_t y0 = t * strip_width;
    float* out = y.plane(static_cast<std::int64_t>(k)) + y0 * width_;
    column_.conv(sources, width_, std::min(strip_width, height_ - y0), x0,
                 std::min(width_, x0 + kRowsPerTask), out, width_);
  });
}

}  // namespace spotcore
