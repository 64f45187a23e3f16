#include "observation.hpp"

#include <map>
#include <stdexcept>
#include <string>

namespace spotcore {
namespace {

SeparableKernels lowpass_kernels(const SeparableKernel& kernel, std::size_t count) {
  return SeparableKernels(count,
                          {1, static_cast<std::int64_t>(kernel.lowpass.size()), kernel.lowpass});
}

}  // namespace

ScaleLevel::ScaleLevel(const SeparableKernels& kernels, std::vector<std::int64_t> bins,
                       ImageSize size, Isa isa, ThreadPool& pool)
    : bins_(std::move(bins)), inputs_(bins_.size()), outputs_(bins_.size()) {
  const SeparableKernel& first = kernels.front();
  const std::int64_t scale = first.scale;
  ImageSize grid = size;
  if (scale > 1) {
    // Coarse row n lies at s (n - margin): every one that the low-pass of some pixel reaches.
    const auto half = static_cast<std::int64_t>(first.lowpass.size() / 2);
    const std::int64_t margin = half / scale;
    grid = {(size.height - 1 + half) / scale + 1 + margin,
            (size.width - 1 + half) / scale + 1 + margin};
    const Resampling decimate{scale, 1, scale * margin};
    const Resampling interpolate{1, scale, -scale * margin};
    const SeparableKernels each = lowpass_kernels(first, bins_.size());
    const SeparableKernels one = lowpass_kernels(first, 1);
    coarse_.reset(new Coarse{
        SeparablePlan(each, size, grid, decimate, isa, pool),
        SeparablePlan(one, size, grid, decimate, isa, pool),
        SeparablePlan(each, grid, size, interpolate, isa, pool),
        SeparablePlan(one, grid, size, interpolate, isa, pool),
        AlignedBuffer(bins_.size() * static_cast<std::size_t>(grid.pixels())),
        AlignedBuffer(static_cast<std::size_t>(grid.pixels())),
        {},
        {},
    });
    for (std::size_t k = 0; k < bins_.size(); ++k) {
      float* plane = coarse_->stack.get() + static_cast<std::int64_t>(k) * grid.pixels();
      coarse_->planes.push_back(plane);
      coarse_->plane_inputs.push_back(plane);
    }
  }
  factors_ = std::make_unique<SeparablePlan>(kernels, grid, grid, Resampling{}, isa, pool);
}

void ScaleLevel::separable_conv(StackView x, StackSpan y) {
  for (std::size_t k = 0; k < bins_.size(); ++k) {
    inputs_[k] = x.plane(bins_[k]);
    outputs_[k] = y.plane(bins_[k]);
  }
  if (!coarse_) return factors_->apply(inputs_, outputs_);
  coarse_->decimate_each.apply(inputs_, coarse_->planes);
  factors_->apply(coarse_->plane_inputs, coarse_->planes);
  coarse_->interpolate_each.apply(coarse_->plane_inputs, outputs_);
}

void ScaleLevel::forward(StackView a, ImageSpan d, bool add) {
  for (std::size_t k = 0; k < bins_.size(); ++k) inputs_[k] = a.plane(bins_[k]);
  float* const image[] = {d.data};
  if (!coarse_) return factors_->apply(inputs_, image, add);
  float* const sum[] = {coarse_->image.get()};
  const float* const sum_input[] = {coarse_->image.get()};
  coarse_->decimate_each.apply(inputs_, coarse_->planes);
  factors_->apply(coarse_->plane_inputs, sum);
  coarse_->interpolate_one.apply(sum_input, image, add);
}

void ScaleLevel::adjoint(ImageView d, StackSpan a) {
  for (std::size_t k = 0; k < bins_.size(); ++k) outputs_[k] = a.plane(bins_[k]);
  const float* const image[] = {d.data};
  if (!coarse_) return factors_->apply(image, outputs_);
  float* const small[] = {coarse_->image.get()};
  const float* const small_input[] = {coarse_->image.get()};
  coarse_->decimate_one.apply(image, small);
  factors_->apply(small_input, coarse_->planes);
  coarse_->interpolate_each.apply(coarse_->plane_inputs, outputs_);
}

Observation::Observation(const SeparableKernels& kernels, ImageSize size, Isa isa, ThreadPool& pool)
    : bins_(static_cast<std::int64_t>(kernels.size())), size_(size) {
  check_kernels(kernels);
  if (size.height < 1 || size.width < 1) {
    throw std::invalid_argument("image size: expected at least 1x1, got " +
                                std::to_string(size.height) + "x" + std::to_string(size.width));
  }
  std::map<std::int64_t, std::vector<std::int64_t>> by_scale;
  for (std::int64_t k = 0; k < bins_; ++k) {
    by_scale[kernels[static_cast<std::size_t>(k)].scale].push_back(k);
  }
  for (auto& [scale, bins] : by_scale) {
    SeparableKernels members;
    for (const std::int64_t k : bins) {
      members.push_back(kernels[static_cast<std::size_t>(k)]);
      if (members.back().lowpass != members.front().lowpass) {
        throw std::invalid_argument("factors[" + std::to_string(k) +
                                    "]: expected one low-pass for all kernels of scale " +
                                    std::to_string(scale));
      }
    }
    levels_.emplace_back(members, bins, size, isa, pool);
  }
}

void Observation::separable_conv(StackView x, StackSpan y) {
  for (ScaleLevel& level : levels_) level.separable_conv(x, y);
}

void Observation::forward(StackView a, ImageSpan d) {
  bool add = false;
  for (ScaleLevel& level : levels_) {
    level.forward(a, d, add);
    add = true;
  }
}

void Observation::adjoint(ImageView d, StackSpan a) {
  for (ScaleLevel& level : levels_) level.adjoint(d, a);
}

}  // namespace spotcore
