// The duality gap: a proof of how far an answer is from the optimum.
#include <cmath>
#include <limits>
#include <stdexcept>

#include "spotcore/solvers.hpp"

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
  const std::int64_t pixels = problem.image.size();
  nu_.resize(static_cast<std::size_t>(pixels));
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
  const std::int64_t pixels = Aa.size();
  const ImageSpan nu{nu_.data(), Aa.height, Aa.width};
  ops_.residual(Aa, Aa, 0.0F, problem_.image, problem_.w, nu);
  for (float& value : nu_) value *= -2.0F;
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
