// Separable filtering of many images with many kernels, two passes along columns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cpu/column_conv.hpp"
#include "platform/aligned.hpp"
#include "platform/sizes.hpp"
#include "spotcore/kernels.hpp"

namespace spotcore {

// Copies columns [x0, x0 + strip_width) of an image; columns beyond the image keep what the strip
// holds, which reaches only lanes that nobody reads.
void pack_strip(const float* image, ImageSize size, std::int64_t x0, std::int64_t strip_width,
                float* strip);

// A plan for images of one size, in two passes, each cut into tasks that can run at the same time.
// The first filters with every factor, the second along the other axis and sums over the factors of
// a kernel, or of all. Kernels of several factors are filtered along rows first, all factors at
// once; the second pass reads columns. Kernels of one factor are filtered along columns twice, with
// the result of the first pass transposed in strips of rows.
class SeparablePlan {
 public:
  SeparablePlan(const SeparableKernels& kernels, ImageSize size, Isa isa, int workers);

  // Inputs: one image per kernel, or a single one that serves every kernel.
  std::int64_t first_tasks() const;
  void first_pass(std::span<const float* const> inputs, std::int64_t task, int worker);
  // Outputs: one image per kernel, or a single one for the sum over kernels.
  std::int64_t second_tasks(std::size_t outputs) const;
  void second_pass(std::span<float* const> outputs, std::int64_t task);

 private:
  struct Kernel {
    std::int64_t half;
    std::size_t first_factor, rank;
  };
  void filter_rows(const float* image, const Kernel& kernel, std::int64_t y, int worker);
  void filter_columns(const float* image, const Kernel& kernel, std::int64_t x0, int worker);

  ImageSize size_;
  ColumnKernel column_;
  bool rows_first_;
  std::vector<Kernel> kernels_;         // [K]
  std::vector<std::size_t> costliest_;  // kernels by falling cost: longest tasks start first
  std::vector<AlignedBuffer> taps_;     // [factors], padded for the tiles
  // What the second pass works on: strips of columns of the image, or of its transpose.
  ImageSize second_;
  std::int64_t pitch_, strips_;
  AlignedBuffer between_;              // [factors][H][pitch] or [factors][strips][W][strip width]
  std::vector<ColumnSource> sources_;  // [strips][factors], pointing into between_
  std::vector<AlignedBuffer> packed_;  // [workers]: a line with zeros around it, or a strip
};

}  // namespace spotcore
