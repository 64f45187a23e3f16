#include "spotcore/solvers.hpp"

#include <algorithm>

#include "check.hpp"

using namespace spotcore;

namespace {

// Two cells of different range on a small well.
struct SmallWell {
  static constexpr std::int64_t kSide = 24;
  SeparableKernels kernels{{1, 5, {0.05F, 0.25F, 0.4F, 0.25F, 0.05F}},
                           {1, 9, {0.02F, 0.06F, 0.12F, 0.19F, 0.22F, 0.19F, 0.12F, 0.06F, 0.02F}}};
  std::unique_ptr<Operations> ops = make_cpu_operations(kernels, kSide, kSide, {2, "auto", {}});
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
