// Dense matrices along the columns of an image: the changes of basis of the preconditioner.
#pragma once

#include <cstdint>

#include "platform/isa.hpp"

namespace spotcore {

// Width of a strip of the image, and rows of a panel of the matrix, in floats.
struct DenseLayout {
  int strip, panel;
};

// A matrix [inputs, outputs] as panels [ceil(outputs / panel)][inputs][panel], zeros at the end.
struct DenseMatrix {
  const float* panels;
  std::int64_t inputs, outputs;
};

struct DenseKernel {
  DenseLayout layout;
  // out[c * pitch + r] = sum_q matrix[q, r] in[q, c] for c < columns; in is [inputs, strip].
  void (*project)(const DenseMatrix& matrix, const float* in, std::int64_t columns, float* out,
                  std::int64_t pitch);
  // The same for halves of symmetric and antisymmetric rows, whose sum is
  //   out[c * pitch + r] = e + o,  out[c * pitch + size - 1 - r] = e - o  for r < even.outputs.
  void (*expand)(const DenseMatrix& even, const DenseMatrix& odd, const float* even_in,
                 const float* odd_in, std::int64_t columns, std::int64_t size, float* out,
                 std::int64_t pitch);
};

DenseKernel dense_kernel(Isa isa);

}  // namespace spotcore
