// The observation operator on the CPU: each kernel at the resolution that it needs.
#pragma once

#include <memory>
#include <vector>

#include "separable_conv.hpp"
#include "spotcore/views.hpp"

namespace spotcore {

// The kernels that share one scale s. For s = 1 they are applied as they are. For s > 1 images pass
// through D, the kernels' factors on the coarse grid, and D^T; because D^T is the exact transpose
// of D and the factors are symmetric, so is the product.
class ScaleLevel {
 public:
  ScaleLevel(const SeparableKernels& kernels, std::vector<std::int64_t> bins, ImageSize size,
             Isa isa, ThreadPool& pool);

  void separable_conv(StackView x, StackSpan y);
  void forward(StackView a, ImageSpan d, bool add);
  void adjoint(ImageView d, StackSpan a);

 private:
  struct Coarse {
    SeparablePlan decimate_each, decimate_one, interpolate_each, interpolate_one;
    AlignedBuffer stack, image;  // one coarse image per kernel, and one for all
    std::vector<float*> planes;  // of `stack`
    std::vector<const float*> plane_inputs;
  };

  std::vector<std::int64_t> bins_;  // which bins of the stack these kernels belong to
  std::unique_ptr<Coarse> coarse_;  // null for s = 1
  std::unique_ptr<SeparablePlan> factors_;
  std::vector<const float*> inputs_;  // [K_s], filled at each call
  std::vector<float*> outputs_;
};

// A a = sum over levels; A* d level by level.
class Observation {
 public:
  Observation(const SeparableKernels& kernels, ImageSize size, Isa isa, ThreadPool& pool);

  std::int64_t bins() const { return bins_; }
  ImageSize size() const { return size_; }
  void separable_conv(StackView x, StackSpan y);
  void forward(StackView a, ImageSpan d);
  void adjoint(ImageView d, StackSpan a);

 private:
  std::int64_t bins_;
  ImageSize size_;
  std::vector<ScaleLevel> levels_;
};

}  // namespace spotcore
