#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "solvers/problem.hpp"

namespace spotcore {
namespace {

// sum_m f[m] cos(m u), for symmetric taps about their centre
double symbol(const double* f, std::int64_t half, double u) {
  double sum = f[half];
  for (std::int64_t m = 1; m <= half; ++m) {
    sum += 2.0 * f[half + m] * std::cos(static_cast<double>(m) * u);
  }
  return sum;
}

// ||g (*) .|| <= sum |g| <= sum_r (sum |f_r|)^2 (Young): exact for one factor of one sign.
double direct_norm_bound(const SeparableKernel& kernel) {
  double bound = 0;
  for (std::int64_t r = 0; r < kernel.rank; ++r) {
    double sum = 0;
    for (std::int64_t m = 0; m < kernel.length; ++m) sum += std::abs(kernel.factor(r)[m]);
    bound += sum * sum;
  }
  return bound;
}

// On infinite grids D^T C D has the spectrum of C D D^T, which are both convolutions:
//   sum_r F_r(u) F_r(v) S(u) S(v),  S the symbol of D D^T along an axis,
// at most max_u S(u)^2 sum_r F_r(u)^2 (Cauchy and Schwarz). An image is a window on that. The
// maximum of a trigonometric polynomial of degree n is that over N points, or up to 1 / cos(pi n /
// N) more.
double coarse_norm_bound(const SeparableKernel& kernel) {
  const auto length = static_cast<std::int64_t>(kernel.lowpass.size());
  const std::int64_t reach = (length - 1) / kernel.scale;
  std::vector<double> overlap(static_cast<std::size_t>(2 * reach + 1));
  for (std::int64_t j = -reach; j <= reach; ++j) {
    const std::int64_t shift = std::abs(j) * kernel.scale;
    for (std::int64_t m = 0; m + shift < length; ++m) {
      overlap[static_cast<std::size_t>(j + reach)] +=
          double{kernel.lowpass[static_cast<std::size_t>(m)]} *
          kernel.lowpass[static_cast<std::size_t>(m + shift)];
    }
  }
  const std::vector<double> taps(kernel.taps.begin(), kernel.taps.end());
  const std::int64_t degree = 2 * (kernel.half() + reach), points = 32 * (degree + 1);
  double largest = 0;
  for (std::int64_t i = 0; 2 * i <= points; ++i) {
    const double u = 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(points);
    double squares = 0;
    for (std::int64_t r = 0; r < kernel.rank; ++r) {
      const double value = symbol(taps.data() + r * kernel.length, kernel.half(), u);
      squares += value * value;
    }
    const double overlap_symbol = symbol(overlap.data(), reach, u);
    largest = std::max(largest, squares * overlap_symbol * overlap_symbol);
  }
  return largest /
         std::cos(std::numbers::pi * static_cast<double>(degree) / static_cast<double>(points));
}

}  // namespace

// Power iteration on A A*, in the space of images. The Rayleigh quotients rise to ||A||^2. For
// Gaussians any positive start overlaps the leading eigenvector (Perron and Frobenius); a start
// without symmetry also overlaps the odd ones that other kernels can have.
double norm_squared(Operations& ops, double tol, int max_iter) {
  require(tol >= 0, "tol: expected a number >= 0, got ", tol);
  require(max_iter >= 1, "max_iter: expected an integer >= 1, got ", max_iter);
  const std::int64_t height = ops.height(), width = ops.width();
  std::vector<float> x = fixed_noise(static_cast<std::size_t>(height * width));
  double start_norm = 0;
  for (float& value : x) {
    value += 1.0F;
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

// A A* = sum_k of the k-th convolution twice.
double norm_squared_bound(const SeparableKernels& kernels) {
  check_kernels(kernels);
  double bound = 0;
  for (const SeparableKernel& kernel : kernels) {
    const double norm = kernel.scale == 1 ? direct_norm_bound(kernel) : coarse_norm_bound(kernel);
    bound += norm * norm;
  }
  return bound;
}

}  // namespace spotcore
