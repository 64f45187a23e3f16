#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "small_well.hpp"

using namespace spotcore;

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

TEST_CASE("with no iterations the best multiple of the projected start comes back") {
  constexpr std::size_t kCell = 7 * SmallWell::kSide + 8;
  SmallWell well, other;
  well.a[0] = -4;
  well.a[kCell] = 3;
  other.a[kCell] = 300;
  FistaOptions options;
  options.max_iter = 0;
  const SolveResult result = well.solve(options, 2.0), same = other.solve(options, 2.0);
  CHECK(well.a[0] == 0);
  CHECK(well.a[kCell] > 3);  // the truth is 50
  CHECK(std::abs(result.last.penalty - 2.0 * well.a[kCell]) <= 1e-6 * result.last.penalty);
  CHECK(std::abs(same.last.objective() - result.last.objective()) <=
        1e-5 * result.last.objective());
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
