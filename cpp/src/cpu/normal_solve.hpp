// (c + M)^-1 on images, M the preconditioner's approximation of A A*.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/dense_columns.hpp"
#include "cpu/separable_conv.hpp"
#include "platform/aligned.hpp"
#include "platform/threads.hpp"
#include "spotcore/preconditioner.hpp"
#include "spotcore/views.hpp"

namespace spotcore {

class NormalSolve {
 public:
  NormalSolve(const Preconditioner& preconditioner, ImageSize size, Isa isa, ThreadPool& pool);

  // x += relaxation / scale (c + M)^-1 r
  void apply(ImageView r, float c, float relaxation, ImageSpan x);

 private:
  // An axis' basis as matrices that take an image there and back.
  struct Axis {
    Axis(const AxisBasis& basis, const DenseLayout& layout);
    std::int64_t size, even_half, odd_half, even_count, odd_count;
    AlignedBuffer even_project, odd_project, even_expand, odd_expand;
    std::int64_t count() const { return even_count + odd_count; }
  };
  // in [axis.size, width] -> out [width, axis.count()]
  void project(const Axis& axis, const float* in, std::int64_t width, float* out);
  // in [axis.count(), width] -> out [width, axis.size]
  void expand(const Axis& axis, const float* in, std::int64_t width, float* out);

  ImageSize size_;
  ThreadPool& pool_;
  DenseKernel dense_;
  Axis rows_, columns_;
  std::vector<float> eigenvalues_;
  float scale_;
  AlignedBuffer half_way_, coefficients_, image_;
  std::vector<AlignedBuffer> packed_;  // [workers][axis][strip]
};

}  // namespace spotcore
