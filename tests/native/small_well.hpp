// A problem that solvers finish in an instant, with a preconditioner.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "spotcore/solvers.hpp"

namespace spotcore {

// Cosines, even ones before odd ones on each axis, with the Rayleigh quotients of A A*.
inline Preconditioner cosines(const SeparableKernels& kernels, std::int64_t side) {
  AxisBasis axis;
  axis.size = side;
  for (std::int64_t parity = 0; parity < 2; ++parity) {
    for (std::int64_t i = parity; i < side; i += 2) {
      const double norm = std::sqrt((i == 0 ? 1.0 : 2.0) / static_cast<double>(side));
      for (std::int64_t q = 0; q < side / 2; ++q) {
        const double angle = 3.14159265358979 * static_cast<double>(i * (2 * q + 1)) / 2.0;
        (parity == 0 ? axis.even : axis.odd)
            .push_back(static_cast<float>(norm * std::cos(angle / static_cast<double>(side))));
      }
    }
  }
  const auto vector = [&](std::int64_t i, std::int64_t q) {
    const std::int64_t half = side / 2, mirrored = std::min(q, side - 1 - q);
    if (i < half) return axis.even[static_cast<std::size_t>(i * half + mirrored)];
    const float value = axis.odd[static_cast<std::size_t>((i - half) * half + mirrored)];
    return q < half ? value : -value;
  };
  Preconditioner made{axis, axis, {}, 1e-3F, 1.0F};
  const auto ops = make_cpu_operations(kernels, side, side, {1, "auto", {}});
  std::vector<float> image(static_cast<std::size_t>(side * side)), stack(2 * image.size());
  for (std::int64_t i = 0; i < side; ++i) {
    for (std::int64_t j = 0; j < side; ++j) {
      for (std::size_t p = 0; p < image.size(); ++p) {
        const auto y = static_cast<std::int64_t>(p) / side, x = static_cast<std::int64_t>(p) % side;
        image[p] = vector(i, y) * vector(j, x);
      }
      ops->adjoint({image.data(), side, side}, {stack.data(), 2, side, side});
      float square = 0;
      for (const float value : stack) square += value * value;
      made.eigenvalues.push_back(square);
    }
  }
  const auto unscaled = make_cpu_operations(kernels, side, side, {1, "auto", {}}, &made);
  made.scale = 1.1F * static_cast<float>(std::max(1.0, preconditioner_ratio(*unscaled, 30)));
  return made;
}

// Two cells of different range on a small well, with kernels on the image's grid.
struct SmallWell {
  static constexpr std::int64_t kSide = 24;
  SeparableKernels kernels{{1, 5, {0.05F, 0.25F, 0.4F, 0.25F, 0.05F}},
                           {1, 9, {0.02F, 0.06F, 0.12F, 0.19F, 0.22F, 0.19F, 0.12F, 0.06F, 0.02F}}};
  std::unique_ptr<Operations> ops = plan();

  std::unique_ptr<Operations> plan() const {
    static const Preconditioner preconditioner = cosines(kernels, kSide);
    return make_cpu_operations(kernels, kSide, kSide, {2, "auto", {}}, &preconditioner);
  }
  std::vector<float> image = std::vector<float>(kSide * kSide);
  std::vector<float> a = std::vector<float>(2 * kSide * kSide);
  std::vector<float> xi{1, 1};

  SmallWell() {
    std::vector<float> truth(a.size());
    truth[7 * kSide + 8] = 50;
    truth[kSide * kSide + 15 * kSide + 16] = 80;
    ops->forward({truth.data(), 2, kSide, kSide}, {image.data(), kSide, kSide});
  }
  SolveResult solve(FistaOptions options, double lambda = 0.05) {
    options.step = 1.0 / norm_squared_bound(kernels);
    const Problem problem{{image.data(), kSide, kSide}, {}, {}, xi, lambda};
    return fista(*ops, problem, options, {a.data(), 2, kSide, kSide});
  }
  SolveResult solve_primal_dual(const StopOptions& options) {
    const Problem problem{{image.data(), kSide, kSide}, {}, {}, xi, 0.05};
    return primal_dual(*ops, problem, options, false, {a.data(), 2, kSide, kSide});
  }
};

}  // namespace spotcore
