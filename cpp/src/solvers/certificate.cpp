// The duality gap: a proof of how far an answer is from the optimum.
#include <algorithm>
#include <cmath>
#include <limits>

#include "solvers/problem.hpp"

namespace spotcore {
namespace {

double dot(const float* x, const float* y, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += double{x[i]} * y[i];
  return sum;
}

}  // namespace

// The dual of problem (6): maximise <nu, d> - ||nu / w||^2 / 4 over images nu (0 where w = 0) with,
// at every pixel where mask = 1,
//     || [A* nu]_+ / xi ||_2 <= lambda over aleph,   [A* nu]_k <= 0 outside aleph.
// At the optimum nu = 2 w^2 (d - A a). For any a, that nu is made feasible in two steps: a multiple
// rho of h = w^2 is taken off until the second constraint holds (A* h > 0, because kernels are
// non-negative), and the rest is scaled by s until the first one holds; s is then the best one
// allowed. Both corrections vanish as a tends to the optimum, so the gap tends to 0.
Certificate::Certificate(Operations& ops, const Problem& problem) : ops_(ops), problem_(problem) {
  check_problem(ops, problem);
  const std::int64_t pixels = problem.image.size();
  nu_.resize(static_cast<std::size_t>(pixels));
  beyond_.resize(nu_.size());
  bool background = false;
  for (const float xi : problem.xi) background = background || xi == 0.0F;
  if (!background) return;
  h_image_.resize(static_cast<std::size_t>(pixels));
  for (std::int64_t p = 0; p < pixels; ++p) {
    const float w = problem.w.data == nullptr ? 1.0F : problem.w.data[p];
    h_image_[static_cast<std::size_t>(p)] = w * w;
  }
  q_.resize(static_cast<std::size_t>(ops.bins() * pixels));
  ops.adjoint({h_image_.data(), ops.height(), ops.width()},
              {q_.data(), ops.bins(), ops.height(), ops.width()});
}

void Certificate::update(ImageView Aa, StackSpan workspace) {
  require_shape(Aa, size_of(ops_), "Aa");
  check_stack(ops_, view(workspace), "workspace");
  dual_point(ops_, problem_, Aa, {nu_.data(), Aa.height, Aa.width});
  evaluate(workspace);
}

void Certificate::update_dual(ImageView nu, int repairs, StackSpan workspace) {
  require_shape(nu, size_of(ops_), "nu");
  require(repairs >= 0, "repairs: expected an integer >= 0, got ", repairs);
  check_stack(ops_, view(workspace), "workspace");
  const auto take = [&] {
    std::copy_n(nu.data, nu.size(), nu_.data());
    drop_unseen();
  };
  take();
  evaluate(workspace);
  if (repairs == 0) return;
  take();  // evaluate has shifted it
  repair(repairs, workspace);
  evaluate(workspace);
}

// nu is 0 where w = 0.
void Certificate::drop_unseen() {
  if (problem_.w.data == nullptr) return;
  for (std::size_t p = 0; p < nu_.size(); ++p) {
    if (problem_.w.data[p] == 0.0F) nu_[p] = 0.0F;
  }
}

// Scaling by the worst pixel is a waste where few pixels are bad. What sticks out of the dual ball,
// theta = v - projection of v = A* nu, is the prox of lambda ||xi .|| at v, and
//   nu <- nu - relaxation (c + M)^-1 A theta
// falls on the squared distance to the ball: c + M >= A A* makes 1 a safe relaxation. As violations
// are sparse, far longer steps are safe too, until they are not: then the sum of what sticks out
// grows, and the steps are shortened.
void Certificate::repair(int steps, StackSpan workspace) {
  // Choices by the gaps that they prove; only kShortest is derived. None can prove a wrong one:
  // what a repair leaves is evaluated like any other point.
  constexpr double kInside = 0.998;  // aims at a ball a little smaller, which is reached sooner
  constexpr float kLongest = 18.0F, kShortest = 1.0F, kShortening = 3.0F;
  const std::int64_t height = ops_.height(), width = ops_.width();
  const Shrinkage ball{static_cast<float>(kInside * problem_.lambda), problem_.xi};
  float relaxation = kLongest;
  double before = std::numeric_limits<double>::infinity();
  for (int i = 0; i < steps; ++i) {
    const double out =
        ops_.primal_dual_step({nu_.data(), height, width}, {}, problem_.mask, 1.0F, 0.0F, ball,
                              workspace, {beyond_.data(), height, width});
    if (out == 0.0) break;
    if (out > before) relaxation = std::max(kShortest, relaxation / kShortening);
    before = out;
    ops_.normal_solve({beyond_.data(), height, width}, ops_.normal_floor(), -relaxation,
                      {nu_.data(), height, width});
    drop_unseen();
  }
}

// The bound that nu_ proves, made feasible as above.
void Certificate::evaluate(StackSpan workspace) {
  const std::int64_t pixels = problem_.image.size();
  const ImageSpan nu{nu_.data(), ops_.height(), ops_.width()};
  ops_.adjoint({nu.data, nu.height, nu.width}, workspace);

  const StackView v{workspace.data, workspace.bins, workspace.height, workspace.width};
  const StackView q{q_.empty() ? nullptr : q_.data(), v.bins, v.height, v.width};
  double rho = 0;
  if (!q_.empty()) {
    rho = ops_.background_ratio(v, q, problem_.mask, problem_.xi);
    if (!(rho <= double{std::numeric_limits<float>::max()})) return;
    // Rounded up, so that the constraint holds for the float that is used below.
    rho = std::nextafter(static_cast<float>(rho), std::numeric_limits<float>::infinity());
    for (std::int64_t p = 0; p < pixels; ++p) {
      nu.data[p] -= static_cast<float>(rho) * h_image_[static_cast<std::size_t>(p)];
    }
  }
  const double norm = ops_.dual_norm(v, q, static_cast<float>(rho), problem_.mask, problem_.xi);
  const double linear = dot(nu.data, problem_.image.data, pixels);
  double quadratic = 0;  // ||nu / w||^2 / 4
  for (std::int64_t p = 0; p < pixels; ++p) {
    const double w = problem_.w.data == nullptr ? 1.0 : problem_.w.data[p];
    if (w > 0) quadratic += nu.data[p] / w * (nu.data[p] / w) / 4.0;
  }
  if (linear <= 0 || quadratic <= 0) return;  // nu = 0 does better
  double s = linear / (2.0 * quadratic);
  if (s * norm > problem_.lambda) s = problem_.lambda / norm;
  bound_ = std::max(bound_, s * linear - s * s * quadratic);
}

double Certificate::relative_gap(double objective) const {
  return objective > 0 ? (objective - bound_) / objective : 0.0;
}

}  // namespace spotcore
