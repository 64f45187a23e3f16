#include "solvers/problem.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace spotcore {
namespace {

// Iterations whose records have their memory from the start: more than anybody has waited for,
// where a limit of billions would ask for more memory than there is.
constexpr std::int64_t kRecords = std::int64_t{1} << 20;

// A point whose objective is not proven to be within this share of it is no answer, however little
// it changes.
constexpr double kWorstGap = 0.1;
// Where it changes by this share of the tolerance, nothing more is to be expected.
constexpr double kStalled = 0.03;

}  // namespace

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::max_iter: return "max_iter";
    case StopReason::tol: return "tol";
    case StopReason::gap_tol: return "gap_tol";
    case StopReason::cancelled: return "cancelled";
    case StopReason::stalled: return "stalled";
  }
  return "unknown";
}

void check_problem(const Operations& ops, const Problem& problem) {
  require_shape(problem.image, size_of(ops), "image");
  require_shape_if_any(problem.w, size_of(ops), "w");
  require_shape_if_any(problem.mask, size_of(ops), "mask");
  require_length(problem.xi, ops.bins(), "xi");
  require(std::isfinite(problem.lambda) && problem.lambda >= 0,
          "lambda: expected a finite number >= 0, got ", problem.lambda);
}

void check_stack(const Operations& ops, StackView stack, const char* name) {
  require_shape(stack, ops.bins(), size_of(ops), name);
}

void check_stop(const StopOptions& options) {
  require(options.max_iter >= 0, "max_iter: expected an integer >= 0, got ", options.max_iter);
  require(options.check_every >= 1, "check_every: expected an integer >= 1, got ",
          options.check_every);
  require(options.tol >= 0, "tol: expected a number >= 0, got ", options.tol);
  require(options.gap_tol >= 0, "gap_tol: expected a number >= 0, got ", options.gap_tol);
}

void dual_point(Operations& ops, const Problem& problem, ImageView Aa, ImageSpan nu) {
  ops.residual(Aa, Aa, 0.0F, problem.image, problem.w, nu);
  for (std::int64_t p = 0; p < nu.size(); ++p) nu.data[p] *= -2.0F;
}

std::vector<float> fixed_noise(std::size_t size) {
  std::vector<float> noise(size);
  std::uint32_t state = 1;
  for (float& value : noise) {
    state = state * 1664525U + 1013904223U;  // a linear congruential generator
    value = static_cast<float>(state >> 8) * 0x1p-24F;
  }
  return noise;
}

void project_start(StackSpan a, ImageView mask) {
  for (std::int64_t k = 0; k < a.bins; ++k) {
    float* plane = a.plane(k);
    for (std::int64_t p = 0; p < a.pixels(); ++p) {
      const bool allowed = mask.data == nullptr || mask.data[p] != 0.0F;
      plane[p] = allowed && plane[p] > 0.0F ? plane[p] : 0.0F;
    }
  }
}

double scale_start(Operations& ops, const Problem& problem, StackSpan a, ImageSpan Aa) {
  ops.forward(view(a), Aa);
  double along = 0, square = 0;
  for (std::int64_t p = 0; p < Aa.size(); ++p) {
    const double w = problem.w.data == nullptr ? 1.0 : problem.w.data[p];
    along += w * w * Aa.data[p] * problem.image.data[p];
    square += w * w * Aa.data[p] * Aa.data[p];
  }
  along -= problem.lambda * group_sums(view(a), problem.xi).norms / 2.0;
  const double scale = square > 0 && along > 0 ? along / square : 0.0;
  for (std::int64_t i = 0; i < a.size(); ++i) a.data[i] *= static_cast<float>(scale);
  for (std::int64_t p = 0; p < Aa.size(); ++p) Aa.data[p] *= static_cast<float>(scale);
  return scale;
}

GroupSums group_sums(StackView a, std::span<const float> xi) {
  GroupSums sums;
  for (std::int64_t p = 0; p < a.pixels(); ++p) {
    double squares = 0;
    for (std::int64_t k = 0; k < a.bins; ++k) {
      const double weight = xi[static_cast<std::size_t>(k)], value = a.plane(k)[p];
      squares += weight * value * (weight * value);
      if (weight > 0) sums.squares += value * value;
    }
    sums.norms += std::sqrt(squares);
  }
  return sums;
}

Watch::Watch(const StopOptions& options, SolveResult& result)
    : options_(options), result_(result), checked_objective_(result.last.objective()) {
  const auto records = static_cast<std::size_t>(std::min(options.max_iter, kRecords));
  result.data_terms.reserve(records);
  result.penalties.reserve(records);
}

bool Watch::iterated(bool settling, double tol, function_ref<void(bool)> refresh_gap) {
  Progress& now = result_.last;
  if (!std::isfinite(now.objective())) {
    throw std::overflow_error(
        "the iteration left the range of float32: the step is too long, or the image, the "
        "weights or the kernels are too large");
  }
  result_.data_terms.push_back(now.data_term);
  result_.penalties.push_back(now.penalty);
  bool done = false;
  if (now.iteration % options_.check_every == 0) {
    const double change = std::abs(checked_objective_ - now.objective());
    checked_objective_ = now.objective();
    const bool by_gap = options_.gap_tol > 0 && !settling;
    if (options_.gap_tol > 0 || options_.refresh_gap) refresh_gap(by_gap);
    if (options_.gap_tol > 0 && now.gap <= options_.gap_tol) {
      result_.reason = StopReason::gap_tol;
      done = true;
    } else if (!settling && tol > 0 && change <= tol * now.objective()) {
      // An objective may stand still far from its minimum, as it does where a step is too long.
      refresh_gap(true);
      const bool proven = now.gap <= kWorstGap;
      done = proven || change <= kStalled * tol * now.objective();
      if (done) result_.reason = proven ? StopReason::tol : StopReason::stalled;
    }
  }
  if (options_.progress && options_.progress(now) && !done) {
    result_.reason = StopReason::cancelled;
    done = true;
  }
  return done;
}

}  // namespace spotcore
