// Separable filtering of many images with many kernels, two passes along columns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "aligned.hpp"
#include "column_conv.hpp"
#include "spotcore/kernels.hpp"
#include "threads.hpp"

namespace spotcore {

struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t pixels() const { return height * width; }
};

// A plan for inputs and outputs of given sizes: a convolution, or with a Resampling a decimation or
// an interpolation along both axes. It runs in two passes:
//   filter_columns  filters images along y with every factor and stores the transposed result in
//                   strips of rows (one set of strips per factor);
//   filter_rows     filters strips along x and sums over the factors of a kernel, or of all.
class SeparablePlan {
 public:
  SeparablePlan(const SeparableKernels& kernels, ImageSize input, ImageSize output,
                Resampling resampling, Isa isa, ThreadPool& pool);

  // Inputs: one image per kernel, or a single one that serves every kernel. Outputs: one image per
  // kernel, or a single one for the sum over kernels; written, or added to what is there.
  void apply(std::span<const float* const> inputs, std::span<float* const> outputs,
             bool add = false) {
    filter_columns(inputs);
    filter_rows(outputs, add);
  }

 private:
  void filter_columns(std::span<const float* const> images);
  void filter_rows(std::span<float* const> images, bool add);

  struct Kernel {
    std::int64_t half;
    std::size_t first_factor, rank;
  };
  void pack(const float* image, std::int64_t x0, float* strip) const;

  ImageSize input_, output_;
  Resampling resampling_;
  ColumnKernel column_;
  ThreadPool& pool_;
  std::vector<Kernel> kernels_;         // [K]
  std::vector<std::size_t> costliest_;  // kernels by falling cost: the longest tasks start first
  std::vector<AlignedBuffer> taps_;     // [factors], padded for the tiles
  std::int64_t row_strips_;             // strips of output rows, ceil(H_out / strip width)
  AlignedBuffer strips_;                // [factors][row_strips][W_in][strip width]
  std::vector<ColumnSource> sources_;   // [row_strips][factors], pointing into strips_
  // A convolution reads each row many times and wants its strip dense in the cache; a decimation
  // reads it twice, and a copy would cost more than it saves.
  bool pack_all_;
  std::vector<AlignedBuffer> packed_;  // [workers][H_in][strip width]
};

}  // namespace spotcore
