#include "cpu/separable_conv.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "platform/checks.hpp"

namespace spotcore {
namespace {

constexpr std::int64_t kRowsPerTask = 128;  // of the second pass: enough tasks for every thread
constexpr std::int64_t kLinesPerTask = 32;  // of filter_rows

// A is only self-adjoint per bin, as the solvers assume, if every factor is symmetric.
void check_symmetric(std::span<const float> taps, std::size_t k, const char* part) {
  for (std::size_t m = 0; m < taps.size(); ++m) {
    const float tap = taps[m], mirrored = taps[taps.size() - 1 - m];
    require(std::isfinite(tap), "factors[", k, "]: ", part, "expected finite taps, got ", tap);
    require(tap == mirrored, "factors[", k, "]: ", part, "expected symmetric factors, got ", tap,
            " and ", mirrored);
  }
}

bool all_zero(const std::vector<float>& taps) {
  return std::all_of(taps.begin(), taps.end(), [](float tap) { return tap == 0.0F; });
}

}  // namespace

void check_kernels(const SeparableKernels& kernels) {
  require(!kernels.empty(), "factors: expected at least one kernel, got none");
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    const SeparableKernel& kernel = kernels[k];
    const auto lowpass = static_cast<std::int64_t>(kernel.lowpass.size());
    require(kernel.rank >= 1 && kernel.length >= 1 && kernel.length % 2 == 1, "factors[", k,
            "]: expected [rank >= 1, odd length], got [", kernel.rank, ", ", kernel.length, "]");
    require(static_cast<std::int64_t>(kernel.taps.size()) == product({kernel.rank, kernel.length}),
            "factors[", k, "]: expected ", kernel.rank, " times ", kernel.length, " taps, got ",
            kernel.taps.size());
    for (std::int64_t r = 0; r < kernel.rank; ++r) {
      check_symmetric({kernel.factor(r), static_cast<std::size_t>(kernel.length)}, k, "");
    }
    require(!all_zero(kernel.taps), "factors[", k, "]: expected a kernel that is not all zero");
    // A low-pass that is shorter than its scale would leave pixels out.
    require(kernel.scale == 1 ? lowpass == 0
                              : kernel.scale > 1 && lowpass % 2 == 1 && lowpass >= kernel.scale,
            "factors[", k,
            "]: expected scale 1, or a scale > 1 with a low-pass of odd length that is no shorter, "
            "got scale ",
            kernel.scale, " and length ", lowpass);
    check_symmetric(kernel.lowpass, k, "low-pass: ");
  }
}

void pack_strip(const float* image, ImageSize size, std::int64_t x0, std::int64_t strip_width,
                float* strip) {
  const std::int64_t columns = std::min(strip_width, size.width - x0);
  for (std::int64_t y = 0; y < size.height; ++y) {
    std::copy_n(image + y * size.width + x0, columns, strip + y * strip_width);
  }
}

SeparablePlan::SeparablePlan(const SeparableKernels& kernels, ImageSize size, Isa isa, int workers)
    : size_(size),
      column_(column_kernel(isa)),
      rows_first_(std::all_of(kernels.begin(), kernels.end(),
                              [](const SeparableKernel& kernel) { return kernel.rank > 1; })) {
  const std::int64_t strip = column_.layout.width;
  const std::int64_t padding = column_.layout.tile_rows - 1;
  std::int64_t longest = 0;
  for (const SeparableKernel& kernel : kernels) {
    longest = std::max(longest, kernel.length);
    kernels_.push_back({kernel.half(), taps_.size(), static_cast<std::size_t>(kernel.rank)});
    for (std::int64_t r = 0; r < kernel.rank; ++r) {
      taps_.emplace_back(static_cast<std::size_t>(kernel.length + 2 * padding));
      std::copy_n(kernel.factor(r), kernel.length, taps_.back().get() + padding);
    }
  }
  costliest_.resize(kernels_.size());
  std::iota(costliest_.begin(), costliest_.end(), std::size_t{0});
  std::stable_sort(costliest_.begin(), costliest_.end(), [&](std::size_t a, std::size_t b) {
    return kernels[a].rank * kernels[a].length > kernels[b].rank * kernels[b].length;
  });

  second_ = rows_first_ ? size : ImageSize{size.width, size.height};
  strips_ = ceil_div(second_.width, strip);
  pitch_ = rows_first_ ? size.width + ColumnKernel::kSlack : strip;
  const std::int64_t factor_size =
      rows_first_ ? size.height * pitch_ : strips_ * size.width * strip;
  between_ = AlignedBuffer(taps_.size() * static_cast<std::size_t>(factor_size));
  for (std::int64_t t = 0; t < strips_; ++t) {
    for (const Kernel& kernel : kernels_) {
      for (std::size_t f = kernel.first_factor; f < kernel.first_factor + kernel.rank; ++f) {
        const float* data = between_.get() + static_cast<std::int64_t>(f) * factor_size +
                            t * (rows_first_ ? strip : size.width * strip);
        sources_.push_back({data, pitch_, taps_[f].get() + padding, kernel.half});
      }
    }
  }
  for (int worker = 0; worker < workers; ++worker) {
    packed_.emplace_back(static_cast<std::size_t>(
        rows_first_ ? longest + size.width + ColumnKernel::kSlack : size.height * strip));
  }
}

std::int64_t SeparablePlan::first_tasks() const {
  const std::int64_t each = rows_first_ ? ceil_div(size_.height, kLinesPerTask)
                                        : ceil_div(size_.width, column_.layout.width);
  return static_cast<std::int64_t>(kernels_.size()) * each;
}

void SeparablePlan::first_pass(std::span<const float* const> inputs, std::int64_t task,
                               int worker) {
  const std::int64_t each = first_tasks() / static_cast<std::int64_t>(kernels_.size());
  const std::size_t k = costliest_[static_cast<std::size_t>(task / each)];
  const float* image = inputs.size() == 1 ? inputs[0] : inputs[k];
  if (!rows_first_) {
    return filter_columns(image, kernels_[k], task % each * column_.layout.width, worker);
  }
  const std::int64_t y0 = task % each * kLinesPerTask;
  for (std::int64_t y = y0; y < std::min(size_.height, y0 + kLinesPerTask); ++y) {
    filter_rows(image, kernels_[k], y, worker);
  }
}

void SeparablePlan::filter_rows(const float* image, const Kernel& kernel, std::int64_t y,
                                int worker) {
  float* line = packed_[static_cast<std::size_t>(worker)].get();
  std::fill_n(line, kernel.half, 0.0F);
  std::copy_n(image + y * size_.width, size_.width, line + kernel.half);
  std::fill_n(line + kernel.half + size_.width, kernel.half, 0.0F);
  constexpr std::size_t kMost = 4;  // factors at a time
  for (std::size_t r = 0; r < kernel.rank; r += kMost) {
    const std::size_t n = std::min(kMost, kernel.rank - r);
    const float* taps[kMost];
    float* out[kMost];
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t f = kernel.first_factor + r + i;
      taps[i] = sources_[f].taps;
      out[i] = between_.get() + (static_cast<std::int64_t>(f) * size_.height + y) * pitch_;
    }
    column_.line_conv(line, size_.width, {taps, n}, kernel.half, out);
  }
}

void SeparablePlan::filter_columns(const float* image, const Kernel& kernel, std::int64_t x0,
                                   int worker) {
  const std::int64_t width = column_.layout.width;
  // Each row is read many times: the strip is copied to where it is dense in the cache.
  float* strip = packed_[static_cast<std::size_t>(worker)].get();
  pack_strip(image, size_, x0, width, strip);
  for (std::size_t f = kernel.first_factor; f < kernel.first_factor + kernel.rank; ++f) {
    const ColumnSource source{strip, width, sources_[f].taps, kernel.half};
    for (std::int64_t t = 0; t < strips_; ++t) {
      const std::int64_t y0 = t * width;
      const std::int64_t at =
          ((static_cast<std::int64_t>(f) * strips_ + t) * size_.width + x0) * width;
      column_.conv_transposed({{&source, 1},
                               {},
                               size_.height,
                               std::min(width, size_.width - x0),
                               y0,
                               std::min(size_.height, y0 + width)},
                              between_.get() + at - y0, width);
    }
  }
}

std::int64_t SeparablePlan::second_tasks(std::size_t outputs) const {
  return static_cast<std::int64_t>(outputs) * strips_ * ceil_div(second_.height, kRowsPerTask);
}

void SeparablePlan::second_pass(std::span<float* const> outputs, std::int64_t task) {
  const std::int64_t width = column_.layout.width;
  const std::int64_t chunks = ceil_div(second_.height, kRowsPerTask);
  const std::int64_t t = task % (strips_ * chunks) / chunks;
  std::span<const ColumnSource> sources(sources_);
  sources = sources.subspan(static_cast<std::size_t>(t) * taps_.size(), taps_.size());
  std::size_t k = 0;
  if (outputs.size() > 1) {
    k = costliest_[static_cast<std::size_t>(task / (strips_ * chunks))];
    sources = sources.subspan(kernels_[k].first_factor, kernels_[k].rank);
  }
  const std::int64_t c0 = t * width, row0 = task % chunks * kRowsPerTask;
  const ColumnTask rows{sources,        {},
                        second_.height, std::min(width, second_.width - c0),
                        row0,           std::min(second_.height, row0 + kRowsPerTask)};
  if (rows_first_) {
    column_.conv(rows, outputs[k] + row0 * size_.width + c0, size_.width, false);
  } else {
    column_.conv_transposed(rows, outputs[k] + c0 * size_.width, size_.width);
  }
}

}  // namespace spotcore
