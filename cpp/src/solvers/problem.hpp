// What every driver does with a problem and a first guess.
#pragma once

#include <vector>

#include "platform/checks.hpp"
#include "platform/function_ref.hpp"
#include "spotcore/solvers.hpp"

namespace spotcore {

// Throw std::invalid_argument if a size is not the plan's, or a number makes no sense.
void check_problem(const Operations& ops, const Problem& problem);
void check_stack(const Operations& ops, StackView stack, const char* name);
void check_stop(const StopOptions& options);

// nu = 2 w^2 (d - A a): the dual point that belongs to a.
void dual_point(Operations& ops, const Problem& problem, ImageView Aa, ImageSpan nu);

// Noise in [0, 1), always the same: where a power iteration starts.
std::vector<float> fixed_noise(std::size_t size);

// A warm start has to satisfy the constraints: a >= 0, and a = 0 where mask = 0.
void project_start(StackSpan a, ImageView mask);

// Scales a warm start, and its image, to the multiple that has the least objective; returns that.
// 0 if no multiple does better than a = 0.
double scale_start(Operations& ops, const Problem& problem, StackSpan a, ImageSpan Aa);

// Sums over pixels of || xi a ||_2 and, over aleph, of || a ||_2^2.
struct GroupSums {
  double norms = 0, squares = 0;
};
GroupSums group_sums(StackView a, std::span<const float> xi);

// The stopping rules and records that all drivers share, at the end of each iteration.
class Watch {
 public:
  // result.last holds the objective at the start. Takes the memory that the records need.
  Watch(const StopOptions& options, SolveResult& result);
  // Records the objective of result.last. True: stop, result.reason says why. `settling`: the
  // objective may still rise, or stand still, for a while. `refresh_gap` updates result.last.gap;
  // called with true, to the best that can be proven.
  bool iterated(bool settling, double tol, function_ref<void(bool)> refresh_gap);

 private:
  const StopOptions& options_;
  SolveResult& result_;
  double checked_objective_;
};

inline ImageSize size_of(const Operations& ops) { return {ops.height(), ops.width()}; }

inline StackView view(StackSpan span) { return {span.data, span.bins, span.height, span.width}; }
inline ImageView view(ImageSpan span) { return {span.data, span.height, span.width}; }

}  // namespace spotcore
