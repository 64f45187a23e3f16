// The method that FISTA is compared with: minutes become about a second.
//
// Problem (6) as a saddle point, with y the image that the data term sees:
//   min_{a, y} max_nu  lambda sum ||xi a||_2 + ||w (y - d)||^2 + <nu, y - A a>,   a >= 0.
// Each iteration takes a proximal step in a (length t) and in y (length t_y), then one in nu at the
// extrapolated point, over-relaxed (Chambolle and Pock, Math. Program. 159, 2016, Algorithm 1 and
// Section 4.1; the metric after Pock and Chambolle, ICCV 2011):
//   z = prox_t(e + t A* nu),   y = prox_{t_y}(e_y - t_y nu)
//   nu += (rho / t) (c + M)^-1 ((2 y - e_y) - A (2 z - e)),   c = t_y / t
//   e += rho (z - e),   e_y += rho (y - e_y)
// where c + M is scaled up such that c + M >= c + A A*, for which this converges with 0 < rho < 2.
// With M = A A* it is the alternating direction method of multipliers. Gradient methods creep
// because A A* is large on smooth images and tiny on sharp ones; (c + M)^-1 undoes that, up to the
// border of the image, for two small changes of basis (preconditioner.hpp).
//
// t is gamma / lambda, gamma the threshold of the shrinkage, and gamma is measured against the
// norms of the least-squares solution's pixels. It starts so high that few pixels survive and falls
// to where it stays: the support grows from the strongest cells, instead of shrinking, slowly, from
// everywhere. What an image asks for is so measured in the image; nothing is left to the caller.
#include <algorithm>
#include <cmath>

#include "solvers/problem.hpp"

namespace spotcore {
namespace {

// The method converges with any of these, as long as rho < 2: they decide how soon. They are
// choices by what solves of simulated images took (bench/solve/reproduce.py measures that), not
// derived.
constexpr double kRelaxation = 1.95;          // rho: nearly the longest
constexpr double kFirstThreshold = 60.0;      // gamma over the reference threshold, and
constexpr double kLastThreshold = 0.5;        // where it stays
constexpr std::int64_t kContinuation = 100;   // iterations from the first to the last
constexpr double kLeastShareOfLambda = 2e-4;  // of lambda_max: t is measured by no smaller lambda
constexpr std::int64_t kTrial = 10;           // after so many iterations, and twice as many,
constexpr double kFarStart[] = {0.3, 0.1};    // a warm start beyond this gap is given up for none
constexpr double kWarmTol = 0.4;              // of the tolerance: it did not come from a cold path
constexpr int kRepairs = 24;                  // of the dual point, at the end
constexpr std::int64_t kSettlingShare = 5;    // a limit below that leaves a fifth to settle

// Threshold against which all others are measured: the norms of the pixels of
// A* (c + M)^-1 d, averaged with themselves as weights, in units of xi.
double reference_threshold(Operations& ops, const Problem& problem, ImageSpan residual,
                           ImageSpan nu, StackSpan z) {
  for (std::int64_t p = 0; p < problem.image.size(); ++p) {
    const bool seen = problem.w.data == nullptr || problem.w.data[p] > 0.0F;
    residual.data[p] = seen ? problem.image.data[p] : 0.0F;
    nu.data[p] = 0.0F;
  }
  ops.normal_solve(view(residual), ops.normal_floor(), 1.0F, nu);
  ops.adjoint(view(nu), z);
  project_start(z, problem.mask);
  const GroupSums sums = group_sums(view(z), problem.xi);
  return sums.norms > 0 ? sums.squares / sums.norms : 0.0;
}

// Smallest lambda with which all bins in aleph are 0 in the answer, if those outside are: nu = 2
// w^2 d is then feasible. Leaves A* nu in z.
double largest_lambda(Operations& ops, const Problem& problem, ImageSpan nu, StackSpan z) {
  std::vector<float> zero(static_cast<std::size_t>(problem.image.size()));
  const ImageView none{zero.data(), nu.height, nu.width};
  dual_point(ops, problem, none, nu);
  ops.adjoint(view(nu), z);
  return ops.dual_norm(view(z), {}, 0.0F, problem.mask, problem.xi);
}

double largest_weight(const Problem& problem) {
  if (problem.w.data == nullptr) return 1.0;
  return *std::max_element(problem.w.data, problem.w.data + problem.w.size());
}

}  // namespace

SolveResult primal_dual(Operations& ops, const Problem& problem, const StopOptions& options,
                        bool warm, StackSpan z) {
  check_problem(ops, problem);
  check_stack(ops, view(z), "a");
  check_stop(options);
  const auto pixels = static_cast<std::size_t>(z.pixels());
  std::vector<float> nu_pixels(pixels), residual_pixels(pixels), Az_pixels(pixels);
  std::vector<float> Ae_pixels(pixels), e_y_pixels(pixels);
  std::vector<float> e_memory(static_cast<std::size_t>(z.size()));
  const auto image = [&](std::vector<float>& memory) {
    return ImageSpan{memory.data(), z.height, z.width};
  };
  const ImageSpan nu = image(nu_pixels), residual = image(residual_pixels), Az = image(Az_pixels);
  const ImageSpan Ae = image(Ae_pixels), e_y = image(e_y_pixels);
  const StackSpan e{e_memory.data(), z.bins, z.height, z.width};

  if (warm) {
    project_start(z, problem.mask);
    std::copy_n(z.data, z.size(), e.data);
  }
  // Without a bin in aleph there is no penalty, and step lengths are those of lambda = 0.
  Problem measure = problem;
  const std::vector<float> ones(static_cast<std::size_t>(z.bins), 1.0F);
  if (*std::max_element(problem.xi.begin(), problem.xi.end()) == 0.0F) {
    measure.xi = ones;
    measure.lambda = 0;
  }
  const double lambda_max = largest_lambda(ops, measure, nu, z);
  const bool zero = lambda_max <= measure.lambda &&
                    ops.background_ratio(view(z), view(z), problem.mask, problem.xi) == 0.0;
  const double reference = zero ? 0.0 : reference_threshold(ops, measure, residual, nu, z);
  if (zero) std::fill_n(e.data, e.size(), 0.0F);
  std::fill_n(nu.data, pixels, 0.0F);
  if (zero) dual_point(ops, problem, view(nu), nu);  // the answer
  warm = warm && !zero && scale_start(ops, problem, e, Ae) > 0;
  if (warm) {
    // As it stands, nu is as long as the residual is large: feasible, it is as long as lambda says.
    dual_point(ops, problem, view(Ae), nu);
    ops.adjoint(view(nu), z);
    const double norm = ops.dual_norm(view(z), {}, 0.0F, problem.mask, measure.xi);
    const double feasible = norm > measure.lambda ? measure.lambda / norm : 1.0;
    for (float& value : nu_pixels) value *= static_cast<float>(feasible);
  }
  std::copy_n(e.data, z.size(), z.data);
  ops.forward(view(z), Az);
  std::copy_n(Az.data, pixels, Ae.data);
  std::copy_n(Az.data, pixels, e_y.data);

  Certificate certificate(ops, problem);
  std::vector<float> workspace_memory(static_cast<std::size_t>(z.size()));
  const StackSpan workspace{workspace_memory.data(), z.bins, z.height, z.width};
  SolveResult result;
  Progress& now = result.last;
  now.data_term = ops.residual(view(Az), view(Az), 0.0F, problem.image, problem.w, residual);
  now.penalty = problem.lambda * group_sums(view(z), problem.xi).norms;
  Watch watch(options, result);
  std::int64_t repaired = -1;  // iteration of the last dual point that was
  const auto refresh_gap = [&](bool repair) {
    if (repaired != now.iteration) {
      certificate.update_dual(view(nu), repair ? kRepairs : 0, workspace);
    }
    if (repair) repaired = now.iteration;
    now.gap = certificate.relative_gap(now.objective());
  };

  // nu's scale: a small lambda, or one that no pixel passes, says little about it.
  const double lambda = std::clamp(measure.lambda, kLeastShareOfLambda * lambda_max, lambda_max);
  const double weight = largest_weight(problem);
  const double start = now.objective();
  std::int64_t first = 0;  // iteration from which the threshold falls
  const std::int64_t continuation =
      std::min(kContinuation, options.max_iter - options.max_iter / kSettlingShare);
  const auto rho = static_cast<float>(kRelaxation);
  bool done = zero;
  if (zero) result.reason = StopReason::tol;
  while (!done && now.iteration < options.max_iter) {
    if (warm && (now.iteration == kTrial || now.iteration == 2 * kTrial)) {
      refresh_gap(false);
      if (certificate.relative_gap(start) > kFarStart[now.iteration / kTrial - 1]) {
        warm = false;
        first = now.iteration;
        std::fill_n(e.data, e.size(), 0.0F);
        for (const ImageSpan each : {nu, Ae, e_y}) std::fill_n(each.data, pixels, 0.0F);
      }
    }
    const std::int64_t fallen = warm ? continuation : now.iteration - first;
    const double progress = fallen < continuation
                                ? static_cast<double>(fallen) / static_cast<double>(continuation)
                                : 1.0;
    const double gamma =
        reference * kFirstThreshold * std::pow(kLastThreshold / kFirstThreshold, progress);
    const double t = gamma > 0 && lambda > 0 ? gamma / lambda : 1.0;
    const double step_y = std::max(1.0 / (weight * weight), ops.normal_floor() * t);
    const Shrinkage shrinkage{static_cast<float>(t * problem.lambda), problem.xi};

    const double norms = ops.primal_dual_step(view(nu), e, problem.mask, static_cast<float>(t), rho,
                                              shrinkage, z, Az);
    now.data_term = ops.dual_residual(view(nu), view(Az), problem.image, problem.w,
                                      static_cast<float>(step_y), rho, e_y, Ae, residual);
    ops.normal_solve(view(residual), static_cast<float>(step_y / t), static_cast<float>(rho / t),
                     nu);

    ++now.iteration;
    now.penalty = problem.lambda * norms;
    // A warm start's objective rises, and falls again, while it is tried.
    const bool settling =
        warm ? now.iteration <= 2 * kTrial : now.iteration - first <= continuation;
    done = watch.iterated(settling, warm ? kWarmTol * options.tol : options.tol, refresh_gap);
  }
  refresh_gap(true);
  return result;
}

double preconditioner_ratio(Operations& ops, int iterations) {
  require(iterations >= 1, "iterations: expected an integer >= 1, got ", iterations);
  const std::int64_t height = ops.height(), width = ops.width();
  const auto pixels = static_cast<std::size_t>(height * width);
  const float c = ops.normal_floor();
  std::vector<float> x = fixed_noise(pixels), y(pixels), v(pixels);
  std::vector<float> stack_memory(pixels * static_cast<std::size_t>(ops.bins()));
  const StackSpan stack{stack_memory.data(), ops.bins(), height, width};
  for (float& value : x) value -= 0.5F;
  // Power iteration: y = (c + A A*) x, next x = (c + M)^-1 y; the quotient of <y, (c + M)^-1 y> and
  // <x, y> rises to the eigenvalue.
  double ratio = 0;
  for (int i = 0; i < iterations; ++i) {
    ops.adjoint({x.data(), height, width}, stack);
    ops.forward(view(stack), {y.data(), height, width});
    std::fill(v.begin(), v.end(), 0.0F);
    for (std::size_t p = 0; p < pixels; ++p) y[p] += c * x[p];
    ops.normal_solve({y.data(), height, width}, c, 1.0F, {v.data(), height, width});
    double above = 0, below = 0, norm = 0;
    for (std::size_t p = 0; p < pixels; ++p) {
      above += double{y[p]} * v[p];
      below += double{y[p]} * x[p];
      norm += double{v[p]} * v[p];
    }
    if (!(below > 0)) break;
    ratio = std::max(ratio, above / below);
    const double scale = 1.0 / std::sqrt(norm);
    for (std::size_t p = 0; p < pixels; ++p) x[p] = static_cast<float>(v[p] * scale);
  }
  return ratio;
}

}  // namespace spotcore
