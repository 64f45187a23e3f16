#include "spotcore/solvers.hpp"

#include <algorithm>
#include <cmath>

#include "check.hpp"

using namespace spotcore;

namespace {

// Cosines, even ones before odd ones on each axis, with the Rayleigh quotients of A A*.
Preconditioner cosines(const SeparableKernels& kernels, std::int64_t side) {
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

// Two cells of different range on a small well.
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

}  // namespace

TEST_CASE("power iteration stays below Young's bound and near it for smooth kernels") {
  SmallWell well;
  const double norm = norm_squared(*well.ops);
  CHECK(norm < norm_squared_bound(well.kernels));
  CHECK(norm > 0.8 * norm_squared_bound(well.kernels));
}

TEST_CASE("the gap closes, and the answer has its maxima at the cells") {
  SmallWell well;
  FistaOptions options;
  options.max_iter = 20000;
  options.tol = 0;
  options.gap_tol = 1e-4;
  const SolveResult result = well.solve(options);
  CHECK(result.reason == StopReason::gap_tol);
  CHECK(result.last.gap <= 1e-4);
  CHECK(result.data_terms.size() == static_cast<std::size_t>(result.last.iteration));
  CHECK(result.data_terms.back() == result.last.data_term);
  const std::int64_t pixels = SmallWell::kSide * SmallWell::kSide;
  const auto peak = [&](std::int64_t k) {
    const auto begin = well.a.begin() + k * pixels;
    return std::max_element(begin, begin + pixels) - begin;
  };
  CHECK(peak(0) == 7 * SmallWell::kSide + 8);
  CHECK(peak(1) == 15 * SmallWell::kSide + 16);
}

TEST_CASE("a callback cancels after the iteration it was told of") {
  SmallWell well;
  FistaOptions options;
  options.tol = 0;
  options.progress = [](const Progress& now) { return now.iteration == 13; };
  const SolveResult result = well.solve(options);
  CHECK(result.reason == StopReason::cancelled);
  CHECK(result.last.iteration == 13);
}

TEST_CASE("with no iterations the projected start comes back with its objective") {
  SmallWell well;
  well.a[0] = -4;
  well.a[1] = 3;
  FistaOptions options;
  options.max_iter = 0;
  const SolveResult result = well.solve(options, 2.0);
  CHECK(well.a[0] == 0);
  CHECK(result.last.penalty == 6.0);
  CHECK(result.reason == StopReason::max_iter);
}

TEST_CASE("the primal-dual method ends where FISTA ends, in fewer iterations") {
  SmallWell well;
  FistaOptions fista_options;
  fista_options.max_iter = 20000;
  fista_options.tol = 0;
  fista_options.gap_tol = 5e-4;
  const SolveResult expected = well.solve(fista_options);
  StopOptions options;
  options.max_iter = 1000;
  options.tol = 0;
  options.gap_tol = 1e-3;
  const SolveResult result = well.solve_primal_dual(options);
  CHECK(result.reason == StopReason::gap_tol);
  CHECK(result.last.iteration < 1000);
  CHECK(std::abs(result.last.objective() / expected.last.objective() - 1) < 2e-3);
  CHECK(result.data_terms.size() == static_cast<std::size_t>(result.last.iteration));
  CHECK(*std::min_element(well.a.begin(), well.a.end()) >= 0);
}

TEST_CASE("the primal-dual method takes weights, a mask, a background bin and a start") {
  SmallWell well;
  const std::size_t pixels = well.image.size();
  std::vector<float> w(pixels, 0.5F), mask(pixels, 1.0F);
  w[3] = w[pixels - 1] = 0;
  mask[5] = 0;
  well.xi[1] = 0;
  well.a.assign(well.a.size(), -1.0F);
  well.a[6] = 2;
  StopOptions options;
  options.max_iter = 300;
  options.refresh_gap = true;
  options.progress = [](const Progress& now) { return now.iteration == 150; };
  options.tol = 0;
  const std::int64_t side = SmallWell::kSide;
  const Problem problem{{well.image.data(), side, side},
                        {w.data(), side, side},
                        {mask.data(), side, side},
                        well.xi,
                        0.05};
  const SolveResult result =
      primal_dual(*well.ops, problem, options, true, {well.a.data(), 2, side, side});
  CHECK(result.reason == StopReason::cancelled);
  CHECK(result.last.gap >= -1e-5 && result.last.gap < 0.1);
  CHECK(well.a[5] == 0 && well.a[pixels + 5] == 0);
}

TEST_CASE("the primal-dual method needs a preconditioner and its options") {
  SmallWell well;
  StopOptions options;
  options.check_every = 0;
  CHECK_THROWS(well.solve_primal_dual(options), std::invalid_argument);
  options.check_every = 10;
  options.max_iter = -1;
  CHECK_THROWS(well.solve_primal_dual(options), std::invalid_argument);
  options.max_iter = 10;
  well.ops = make_cpu_operations(well.kernels, SmallWell::kSide, SmallWell::kSide);
  CHECK_THROWS(well.solve_primal_dual(options), std::logic_error);
}

TEST_CASE("wrong options are refused") {
  SmallWell well;
  FistaOptions options;
  options.check_every = 0;
  CHECK_THROWS(well.solve(options), std::invalid_argument);
  options.check_every = 10;
  options.momentum = Momentum::chambolle_dossal;
  options.momentum_a = 2;
  CHECK_THROWS(well.solve(options), std::invalid_argument);
  options.momentum_a = 3;
  CHECK_THROWS(well.solve(options, -1.0), std::invalid_argument);
  well.xi.pop_back();
  CHECK_THROWS(well.solve(options), std::invalid_argument);
}
