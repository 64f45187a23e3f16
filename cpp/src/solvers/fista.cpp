#include <algorithm>
#include <cmath>

#include "solvers/problem.hpp"

namespace spotcore {
namespace {

// The sequence t(i) of Algorithm 3 and the weight alpha(i) = (t(i-1) - 1) / t(i).
class MomentumSequence {
 public:
  MomentumSequence(Momentum kind, double a) : kind_(kind), a_(a) {}
  double next_alpha() {
    ++i_;
    const double before = t_;
    t_ = kind_ == Momentum::beck_teboulle ? 0.5 + std::sqrt(0.25 + before * before)
                                          : (static_cast<double>(i_) + a_ - 1.0) / a_;
    return (before - 1.0) / t_;
  }

 private:
  Momentum kind_;
  double a_;
  std::int64_t i_ = 0;
  double t_ = 1.0;
};

void check(const FistaOptions& options) {
  require(std::isfinite(options.step) && options.step > 0,
          "step: expected a finite number > 0, got ", options.step);
  check_stop(options);
  require(options.momentum == Momentum::beck_teboulle ||
              (std::isfinite(options.momentum_a) && options.momentum_a > 2),
          "momentum_a: expected a finite number > 2, got ", options.momentum_a);
}

}  // namespace

// The image A b of the extrapolated point is never computed: A is linear, so
//   A b = A a + alpha (A a - A a_prev),
// and one forward product per iteration, at a itself, also gives the objective at the very point
// that would be returned. The step overwrites a_prev with the next a, and A a_prev with its image.
SolveResult fista(Operations& ops, const Problem& problem, const FistaOptions& options,
                  StackSpan a_out) {
  const auto image_view = [&](const std::vector<float>& pixels) {
    return ImageView{pixels.data(), ops.height(), ops.width()};
  };
  check_problem(ops, problem);
  check_stack(ops, view(a_out), "a");
  check(options);
  project_start(a_out, problem.mask);

  std::vector<float> second(static_cast<std::size_t>(a_out.size()));
  std::vector<float> residual(static_cast<std::size_t>(a_out.pixels()));
  std::vector<float> Aa(residual.size()), Aa_prev(residual.size());
  const auto stack = [&](float* data) {
    return StackSpan{data, a_out.bins, a_out.height, a_out.width};
  };
  const auto span = [&](std::vector<float>& pixels) {
    return ImageSpan{pixels.data(), ops.height(), ops.width()};
  };
  StackSpan a = stack(a_out.data), a_prev = stack(second.data());

  scale_start(ops, problem, a, span(Aa));
  Aa_prev = Aa;
  std::copy_n(a.data, a.size(), a_prev.data);

  Certificate certificate(ops, problem);
  SolveResult result;
  Progress& now = result.last;
  float alpha = 0.0F;  // b(0) = a(0)
  // The residual at the extrapolated point, for the next step, and the data term at a itself.
  const auto fit = [&] {
    now.data_term = ops.residual(image_view(Aa), image_view(Aa_prev), alpha, problem.image,
                                 problem.w, span(residual));
  };
  fit();
  now.penalty = problem.lambda * group_sums(view(a), problem.xi).norms;
  std::int64_t gap_iteration = -1;  // of the last refresh, which costs a product with A*
  std::vector<float> workspace(static_cast<std::size_t>(a_out.size()));
  const auto refresh_gap = [&](bool = true) {
    if (gap_iteration == now.iteration) return;
    gap_iteration = now.iteration;
    certificate.update(image_view(Aa), stack(workspace.data()));
    now.gap = certificate.relative_gap(now.objective());
  };

  const Shrinkage shrinkage{static_cast<float>(options.step * problem.lambda / 2.0), problem.xi};
  const auto step = static_cast<float>(options.step);
  MomentumSequence momentum(options.momentum, options.momentum_a);
  Watch watch(options, result);

  bool done = false;
  while (!done && now.iteration < options.max_iter) {
    const double norms = ops.fista_step(image_view(residual), view(a), view(a_prev), problem.mask,
                                        step, alpha, shrinkage, a_prev, span(Aa_prev));
    std::swap(a, a_prev);
    std::swap(Aa, Aa_prev);
    alpha = static_cast<float>(momentum.next_alpha());

    ++now.iteration;
    fit();
    now.penalty = problem.lambda * norms;
    done = watch.iterated(false, options.tol, refresh_gap);
  }
  if (a.data != a_out.data) std::copy_n(a.data, a_out.size(), a_out.data);
  refresh_gap();
  return result;
}

}  // namespace spotcore
