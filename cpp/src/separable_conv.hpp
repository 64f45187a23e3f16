// Separable convolution of many images with many kernels, two passes along columns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "aligned.hpp"
#include "column_conv.hpp"
#include "spotcore/kernels.hpp"
#include "spotcore/views.hpp"
#include "threads.hpp"

namespace spotcore {

// A plan for images of one size. Every product of an observation model is the same two passes:
//   filter_columns  convolves images along y with every factor and stores the transposed result in
//                   strips of rows (one set of strips per factor);
//   filter_rows     convolves strips along x and sums over a group of factors.
class SeparablePlan {
 public:
  SeparablePlan(const SeparableKernels& kernels, std::int64_t height, std::int64_t width, Isa isa,
                ThreadPool& pool);

  std::int64_t bins() const { return static_cast<std::int64_t>(kernels_.size()); }
  std::int64_t height() const { return height_; }
  std::int64_t width() const { return width_; }

  // x has one image per bin, or a single one that serves every bin.
  void filter_columns(StackView x);
  // y has one image per bin, or a single one that receives the sum over all bins.
  void filter_rows(StackSpan y);

 private:
  struct Kernel {
    std::int64_t half;
    std::size_t first_factor, rank;
  };
  void pack(ImageView image, std::int64_t x0, float* strip) const;

  std::int64_t height_, width_;
  ColumnKernel column_;
  ThreadPool& pool_;
  std::vector<Kernel> kernels_;         // [K]
  std::vector<std::size_t> costliest_;  // bins by falling cost: the longest tasks start first
  std::vector<AlignedBuffer> taps_;     // [factors], padded for the tiles
  std::int64_t row_strips_;             // strips of rows, ceil(H / strip width)
  AlignedBuffer strips_;                // [factors][row_strips][W][strip width]
  std::vector<ColumnSource> sources_;   // [row_strips][factors], pointing into strips_
  std::vector<AlignedBuffer> packed_;   // [workers][H][strip width]
};

}  // namespace spotcore
