// The drivers: loops over the operations of ops.hpp. They have their memory before the first
// iteration.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "spotcore/ops.hpp"

namespace spotcore {

// Largest eigenvalue of A A* by power iteration, from below: stops when an iteration changes it by
// less than `tol` relative, or after `max_iter` iterations.
double norm_squared(Operations& ops, double tol = 1e-6, int max_iter = 1000);

// Young's bound sum_k (sum |g_k|)^2 >= ||A||^2 (sigma_K - sigma_0 for whole Gaussians).
double norm_squared_bound(const SeparableKernels& kernels);

// The data of problem (6). `w` and `mask` may be empty: all ones. `xi` has one entry per bin.
struct Problem {
  ImageView image;            // d, [H, W]
  ImageView w;                // pixel weights >= 0, [H, W]
  ImageView mask;             // 1 where cells can lie, 0 elsewhere, [H, W]
  std::span<const float> xi;  // [K], 0 = outside aleph
  double lambda = 0.5;
};

enum class Momentum { beck_teboulle, chambolle_dossal };

struct Progress {
  std::int64_t iteration = 0;
  double data_term = 0;  // ||w (A a - d)||^2 at the current a
  double penalty = 0;    // lambda sum ||xi a||_2
  double gap = 1;        // relative duality gap, refreshed every check_every iterations
  double objective() const { return data_term + penalty; }
};

struct StopOptions {
  std::int64_t max_iter = 10000;
  double tol = 1e-4;   // on the relative change of the objective over check_every iterations
  double gap_tol = 0;  // on the relative duality gap; 0 = not asked for
  std::int64_t check_every = 10;
  bool refresh_gap = false;                       // also every check_every iterations, for progress
  std::function<bool(const Progress&)> progress;  // after every iteration; true cancels
};

struct FistaOptions : StopOptions {
  double step = 0;  // eta; must be > 0, and <= 1 / (||A||^2 max w^2) to converge
  Momentum momentum = Momentum::beck_teboulle;
  double momentum_a = 3;  // Chambolle-Dossal's a > 2
};

// tol: the objective changes by no more than that, and the gap is no larger than 0.1. stalled: it
// changes by no more than a thirtieth of that, and nothing proves that it is near the optimum.
enum class StopReason { max_iter, tol, gap_tol, cancelled, stalled };
std::string_view to_string(StopReason reason);

struct SolveResult {
  Progress last;  // at the returned a
  StopReason reason = StopReason::max_iter;
  std::vector<double> data_terms, penalties;  // after each iteration
};

// Algorithm 3 of Part II. `a` [K, H, W] holds the warm start (or zeros) and receives the answer.
SolveResult fista(Operations& ops, const Problem& problem, const FistaOptions& options,
                  StackSpan a);

// A preconditioned primal-dual method (primal_dual.cpp says which, and with which constants), which
// needs a hundredth of FISTA's iterations and no step from the caller. The plan needs a
// preconditioner. `warm`: `a` holds a guess that is near the answer; otherwise what it holds is
// ignored.
SolveResult primal_dual(Operations& ops, const Problem& problem, const StopOptions& options,
                        bool warm, StackSpan a);

// Largest eigenvalue of (c + M)^-1 (c + A A*) at c = floor, from below: what the preconditioner's
// scale has to be multiplied by.
double preconditioner_ratio(Operations& ops, int iterations);

// A lower bound of problem (6) from the residual at a, and the relative duality gap it proves.
class Certificate {
 public:
  Certificate(Operations& ops, const Problem& problem);
  // Improves the bound with the point whose image is Aa; `workspace` is overwritten.
  void update(ImageView Aa, StackSpan workspace);
  // The same with a point of the dual problem that need not be feasible. If it nearly is, it is
  // made feasible where it is not, in at most `repairs` steps, which needs a preconditioner.
  void update_dual(ImageView nu, int repairs, StackSpan workspace);
  // (objective - bound) / objective; 0 where both are 0.
  double relative_gap(double objective) const;

 private:
  void drop_unseen();
  void evaluate(StackSpan workspace);
  void repair(int steps, StackSpan workspace);

  Operations& ops_;
  Problem problem_;
  std::vector<float> nu_;       // [H, W]
  std::vector<float> beyond_;   // A of what sticks out of the dual ball, [H, W]
  std::vector<float> h_image_;  // w^2, [H, W]
  std::vector<float> q_;        // A* w^2, [K, H, W]; empty if every bin lies in aleph
  double bound_ = 0;            // nu = 0 is always feasible, and the objective is >= 0
};

}  // namespace spotcore
