#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "spotcore/solvers.hpp"

namespace spotcore {
namespace {

double absolute_sum(const float* taps, std::int64_t length, std::int64_t first, std::int64_t step) {
  double sum = 0;
  for (std::int64_t m = first; m < length; m += step) sum += std::abs(taps[m]);
  return sum;
}

}  // namespace

// Power iteration on A A*, in the space of images. The Rayleigh quotients rise to ||A||^2. For
// Gaussians any positive start overlaps the leading eigenvector (Perron and Frobenius); a start
// without symmetry also overlaps the odd ones that other kernels can have.
double norm_squared(Operations& ops, double tol, int max_iter) {
  if (!(tol >= 0) || max_iter < 1) {
    throw std::invalid_argument("norm_squared: expected tol >= 0 and max_iter >= 1");
  }
  const std::int64_t height = ops.height(), width = ops.width();
  std::vector<float> x(static_cast<std::size_t>(height * width));
  std::uint32_t state = 1;
  double start_norm = 0;
  for (float& value : x) {
    state = state * 1664525U + 1013904223U;  // a linear congruential generator: always the same
    value = 1.0F + static_cast<float>(state >> 8) * 0x1p-24F;
    start_norm += double{value} * value;
  }
  for (float& value : x) value = static_cast<float>(value / std::sqrt(start_norm));
  std::vector<float> y(x.size()), stack(x.size() * static_cast<std::size_t>(ops.bins()));
  double estimate = 0;
  for (int i = 0; i < max_iter; ++i) {
    ops.adjoint({x.data(), height, width}, {stack.data(), ops.bins(), height, width});
    ops.forward({stack.data(), ops.bins(), height, width}, {y.data(), height, width});
    double rayleigh = 0, norm = 0;
    for (std::size_t p = 0; p < x.size(); ++p) {
      rayleigh += double{x[p]} * y[p];
      norm += double{y[p]} * y[p];
    }
    if (norm == 0) return 0;  // an image so small that no tap but zeros reaches a pixel
    const double scale = 1.0 / std::sqrt(norm);
    for (std::size_t p = 0; p < x.size(); ++p) x[p] = static_cast<float>(y[p] * scale);
    const bool settled = std::abs(rayleigh - estimate) <= tol * rayleigh;
    estimate = rayleigh;
    if (settled) break;
  }
  return estimate;
}

// ||g (*) .|| <= sum |g| (Young), and A A* = sum_k of such products with g_k twice.
// On a coarse grid ||D^T C D|| <= ||D||^2 ||C||, where ||D||^2 per axis is at most the largest sum
// of |p| over a coarse pixel times the largest over the coarse pixels that an image's pixel reaches
// (Schur).
double norm_squared_bound(const SeparableKernels& kernels) {
  check_kernels(kernels);
  double bound = 0;
  for (const SeparableKernel& kernel : kernels) {
    double sum = 0;  // sum |g| <= sum_r (sum |f_r|)^2
    for (std::int64_t r = 0; r < kernel.rank; ++r) {
      const double taps = absolute_sum(kernel.factor(r), kernel.length, 0, 1);
      sum += taps * taps;
    }
    if (kernel.scale > 1) {
      const auto length = static_cast<std::int64_t>(kernel.lowpass.size());
      double reached = 0;
      for (std::int64_t phase = 0; phase < kernel.scale; ++phase) {
        reached =
            std::max(reached, absolute_sum(kernel.lowpass.data(), length, phase, kernel.scale));
      }
      const double lowpass = reached * absolute_sum(kernel.lowpass.data(), length, 0, 1);
      sum *= lowpass * lowpass;  // two axes
    }
    bound += sum * sum;
  }
  return bound;
}

}  // namespace spotcore
