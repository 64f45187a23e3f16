#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "spotcore/solvers.hpp"

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

void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

void check(const Operations& ops, const Problem& problem, const FistaOptions& options,
           StackView a) {
  const auto fits = [&](auto image) {
    return image.height == ops.height() && image.width == ops.width();
  };
  require(problem.image.data != nullptr && fits(problem.image), "image: size is not the plan's");
  require(problem.w.data == nullptr || fits(problem.w), "w: size is not the plan's");
  require(problem.mask.data == nullptr || fits(problem.mask), "mask: size is not the plan's");
  require(a.data != nullptr && a.bins == ops.bins() && fits(a), "a: shape is not the plan's");
  require(static_cast<std::int64_t>(problem.xi.size()) == ops.bins(),
          "xi: length is not the number of bins");
  require(std::isfinite(problem.lambda) && problem.lambda >= 0, "lambda: expected a number >= 0");
  require(std::isfinite(options.step) && options.step > 0, "step: expected a number > 0");
  require(options.max_iter >= 0, "max_iter: expected an integer >= 0");
  require(options.check_every >= 1, "check_every: expected an integer >= 1");
  require(options.momentum == Momentum::beck_teboulle || options.momentum_a > 2,
          "momentum_a: expected a number > 2");
}

// A warm start has to satisfy the constraints: a >= 0, and a = 0 where mask = 0.
void project_start(StackSpan a, ImageView mask) {
  for (std::int64_t k = 0; k < a.bins; ++k) {
    float* plane = a.plane(k);
    for (std::int64_t p = 0; p < a.pixels(); ++p) {
      const bool allowed = mask.data == nullptr || mask.data[p] != 0.0F;
      plane[p] = allowed && plane[p] > 0.0F ? plane[p] : 0.0F;
    }
  }
}

double group_norms(StackView a, std::span<const float> xi) {
  double sum = 0;
  for (std::int64_t p = 0; p < a.pixels(); ++p) {
    double squares = 0;
    for (std::int64_t k = 0; k < a.bins; ++k) {
      const double value = double{xi[static_cast<std::size_t>(k)]} * a.plane(k)[p];
      squares += value * value;
    }
    sum += std::sqrt(squares);
  }
  return sum;
}

}  // namespace

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::max_iter: return "max_iter";
    case StopReason::tol: return "tol";
    case StopReason::gap_tol: return "gap_tol";
    case StopReason::cancelled: return "cancelled";
  }
  return "unknown";
}

// The image A b of the extrapolated point is never computed: A is linear, so
//   A b = A a + alpha (A a - A a_prev),
// and one forward product per iteration, at a itself, also gives the objective at the very point
// that would be returned. The step overwrites a_prev with the next a.
FistaResult fista(Operations& ops, const Problem& problem, const FistaOptions& options,
                  StackSpan a_out) {
  const auto view = [](auto span) {
    return Stack<const float>{span.data, span.bins, span.height, span.width};
  };
  const auto image_view = [&](const std::vector<float>& pixels) {
    return ImageView{pixels.data(), ops.height(), ops.width()};
  };
  check(ops, problem, options, view(a_out));
  project_start(a_out, problem.mask);

  std::vector<float> second(a_out.data, a_out.data + a_out.size());
  std::vector<float> gradient_memory(static_cast<std::size_t>(a_out.size()));
  std::vector<float> residual(static_cast<std::size_t>(a_out.pixels()));
  std::vector<float> Aa(residual.size()), Aa_prev(residual.size());
  const auto stack = [&](float* data) {
    return StackSpan{data, a_out.bins, a_out.height, a_out.width};
  };
  const auto span = [&](std::vector<float>& pixels) {
    return ImageSpan{pixels.data(), ops.height(), ops.width()};
  };
  StackSpan a = stack(a_out.data), a_prev = stack(second.data());
  const StackSpan gradient = stack(gradient_memory.data());

  ops.forward(view(a), span(Aa));
  Aa_prev = Aa;

  Certificate certificate(ops, problem);
  FistaResult result;
  Progress& now = result.last;
  now.data_term = ops.data_term(image_view(Aa), problem.image, problem.w);
  now.penalty = problem.lambda * group_norms(view(a), problem.xi);
  std::int64_t gap_iteration = -1;  // of the last refresh, which costs a product with A*
  const auto refresh_gap = [&] {
    if (gap_iteration == now.iteration) return;
    gap_iteration = now.iteration;
    certificate.update(image_view(Aa), gradient);
    now.gap = certificate.relative_gap(now.objective());
  };

  const Shrinkage shrinkage{static_cast<float>(options.step * problem.lambda / 2.0), problem.xi};
  const auto step = static_cast<float>(options.step);
  MomentumSequence momentum(options.momentum, options.momentum_a);
  float alpha = 0.0F;  // b(0) = a(0)
  double checked_objective = now.objective();

  bool done = false;
  while (!done && now.iteration < options.max_iter) {
    ops.residual(image_view(Aa), image_view(Aa_prev), alpha, problem.image, problem.w,
                 span(residual));
    ops.adjoint(image_view(residual), gradient);
    const double norms = ops.fista_step(view(gradient), view(a), view(a_prev), problem.mask, step,
                                        alpha, shrinkage, a_prev);
    std::swap(a, a_prev);
    std::swap(Aa, Aa_prev);
    ops.forward(view(a), span(Aa));
    alpha = static_cast<float>(momentum.next_alpha());

    ++now.iteration;
    now.data_term = ops.data_term(image_view(Aa), problem.image, problem.w);
    now.penalty = problem.lambda * norms;
    if (!std::isfinite(now.objective())) {
      throw std::overflow_error(
          "the iteration left the range of float32: the step is too long, or the image, the "
          "weights or the kernels are too large");
    }
    result.data_terms.push_back(now.data_term);
    result.penalties.push_back(now.penalty);

    if (now.iteration % options.check_every == 0) {
      const double change = std::abs(checked_objective - now.objective());
      checked_objective = now.objective();
      if (options.gap_tol > 0 || options.refresh_gap) refresh_gap();
      if (options.gap_tol > 0 && now.gap <= options.gap_tol) {
        result.reason = StopReason::gap_tol;
        done = true;
      } else if (options.tol > 0 && change <= options.tol * now.objective()) {
        result.reason = StopReason::tol;
        done = true;
      }
    }
    if (options.progress && options.progress(now) && !done) {
      result.reason = StopReason::cancelled;
      done = true;
    }
  }
  if (a.data != a_out.data) std::copy_n(a.data, a_out.size(), a_out.data);
  refresh_gap();
  return result;
}

}  // namespace spotcore
