// An approximate inverse of A A* + c that needs two small changes of basis.
#pragma once

#include <cstdint>
#include <vector>

namespace spotcore {

// Orthonormal vectors on one axis of the image. All are symmetric or antisymmetric about its
// centre, as eigenvectors of a symmetric convolution are, and are given by their first halves.
struct AxisBasis {
  std::int64_t size = 0;    // of the axis
  std::vector<float> even;  // [n_even, ceil(size / 2)]
  std::vector<float> odd;   // [n_odd, floor(size / 2)]

  std::int64_t even_half() const { return (size + 1) / 2; }
  std::int64_t odd_half() const { return size / 2; }
  std::int64_t even_count() const { return static_cast<std::int64_t>(even.size()) / even_half(); }
  std::int64_t odd_count() const {
    return odd_half() == 0 ? 0 : static_cast<std::int64_t>(odd.size()) / odd_half();
  }
  std::int64_t count() const { return even_count() + odd_count(); }
};

// M = (R (x) C) diag(eigenvalues) (R (x) C)^T, with even vectors before odd ones on each axis. A
// solver that uses it converges if scale (c + M) >= c + A A* for c >= floor.
struct Preconditioner {
  AxisBasis rows, columns;
  std::vector<float> eigenvalues;  // [rows.count(), columns.count()], >= 0
  float floor = 0;                 // smallest c that M is good for, > 0
  float scale = 1;                 // >= 1
};

}  // namespace spotcore
