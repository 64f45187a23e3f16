// READ FIRST. The operations that every solver of spotcore is written over.
//
//   image -> observation model -> solver -> detections
//
// An `Operations` object is a plan: image size, kernels, threads and workspace are fixed when it is
// made, and nothing is allocated when it runs. One thread uses a plan at a time. The drivers
// (solvers.hpp) see only this interface, and images in the host's memory. `make_cpu_operations`
// fills it for the CPU.
//
// Every operation checks its arguments: a shape, a missing array or a number that makes no sense is
// a std::invalid_argument that names it. Outputs are none of the inputs' memory unless it is said.
//
// Notation (d: image, a: what the cells secreted per sigma bin, (*): same-size convolution with
// zeros outside the image):
//
//   A a  = sum_k g_k (*) a_k          A* d = [g_1 (*) d, ..., g_K (*) d]
//   minimise over a >= 0, supported where mask = 1
//       ||w (A a - d)||^2 + lambda sum_pixels ||xi a||_2
//
// How each g_k is applied is the plan's private matter (kernels.hpp says what it can be given).
//
// del Aguila Pla and Jalden, "Cell detection by functional inverse diffusion and non-negative group
// sparsity, Part II", IEEE TSP 66(20), 2018: equations (1), (6), Algorithm 3.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "spotcore/kernels.hpp"
#include "spotcore/preconditioner.hpp"
#include "spotcore/views.hpp"

namespace spotcore {

// How and where a plan runs.
struct Execution {
  int threads = 0;           // 0: one per processor that this process may use
  std::string isa = "auto";  // or a name from isa_names()
  // Asked now and then from the calling thread; true ends the call with Interrupted.
  std::function<bool()> interrupted;
};

// Instruction sets compiled into this library that this processor can run, best first.
std::vector<std::string> isa_names();
// What "auto" stands for: the environment variable SPOTCORE_ISA if set, else the best.
std::string isa_default();
int thread_default();

// Constants of one solve that an iteration needs.
struct Shrinkage {
  float gamma = 0;            // threshold, in units of a
  std::span<const float> xi;  // [K], >= 0; 0 = outside aleph: only made non-negative
};

class Operations {
 public:
  virtual ~Operations() = default;
  virtual std::int64_t bins() const = 0;
  virtual std::int64_t height() const = 0;
  virtual std::int64_t width() const = 0;

  // y_k = g_k (*) x_k                                    x, y: [K, H, W]
  virtual void separable_conv(StackView x, StackSpan y) = 0;
  // d = A a                                              a: [K, H, W]  d: [H, W]
  virtual void forward(StackView a, ImageSpan d) = 0;
  // a = A* d
  virtual void adjoint(ImageView d, StackSpan a) = 0;

  // y = prox of gamma ||xi .||_2 and a >= 0 at x, pixel by pixel (Theorems 1 and 2).
  // Returns sum_pixels ||xi y||_2. x and y may be the same memory.
  virtual double group_shrink(StackView x, const Shrinkage& shrinkage, StackSpan y) = 0;

  // One proximal gradient step from the extrapolated point, without storing the gradient, and the
  // image of where it leads:
  //   b = a + alpha (a - a_prev)
  //   next = group_shrink(b - step mask A* residual),   A_next = A next
  // Returns sum_pixels ||xi next||_2. `mask` may be empty (all ones), `next` may be a_prev's
  // memory.
  virtual double fista_step(ImageView residual, StackView a, StackView a_prev, ImageView mask,
                            float step, float alpha, const Shrinkage& shrinkage, StackSpan next,
                            ImageSpan A_next) = 0;

  // The primal half of a step of the primal-dual method (primal_dual.cpp), in one pass over memory:
  //   z = group_shrink(mask (e + step A* nu)),   e += relaxation (z - e),   Az = A z
  // Returns sum_pixels ||xi z||_2. `mask` may be empty; so may `e`: zero, and not updated.
  virtual double primal_dual_step(ImageView nu, StackSpan e, ImageView mask, float step,
                                  float relaxation, const Shrinkage& shrinkage, StackSpan z,
                                  ImageSpan Az) = 0;
  // The dual half, but for its last line, which is normal_solve. With y the image that the data
  // term sees, constrained to y = A a:
  //   y = argmin ||w (y - d)||^2 + ||y - e_y + step_y nu||^2 / (2 step_y)
  //   residual = (2 y - e_y) - (2 Az - Ae),   e_y += relaxation (y - e_y),
  //   Ae += relaxation (Az - Ae)
  // Returns the data term at z, ||w (Az - d)||^2. `w` may be empty (all ones).
  virtual double dual_residual(ImageView nu, ImageView Az, ImageView d, ImageView w, float step_y,
                               float relaxation, ImageSpan e_y, ImageSpan Ae,
                               ImageSpan residual) = 0;
  // x += relaxation / scale (c + M)^-1 r,   M ~ A A* the preconditioner of the plan, c > 0. Without
  // one it is a std::logic_error.
  virtual void normal_solve(ImageView r, float c, float relaxation, ImageSpan x) = 0;
  // Smallest c that the preconditioner is good for; 0 if the plan has none.
  virtual float normal_floor() const = 0;

  // residual = w^2 ((1 + alpha) Aa - alpha Aa_prev - d); `w` may be empty (all ones), `residual`
  // the memory of an input.
  // Returns the data term at a, ||w (Aa - d)||^2.
  virtual double residual(ImageView Aa, ImageView Aa_prev, float alpha, ImageView d, ImageView w,
                          ImageSpan residual) = 0;

  // For the certificate. With v = A* nu and q = A* h, both [K, H, W]:
  // the smallest rho >= 0 with v - rho q <= 0 on every bin outside aleph where mask = 1.
  virtual double background_ratio(StackView v, StackView q, ImageView mask,
                                  std::span<const float> xi) = 0;
  // max over pixels with mask = 1 of || [v - rho q]_+ / xi ||_2 over aleph; q may be empty.
  virtual double dual_norm(StackView v, StackView q, float rho, ImageView mask,
                           std::span<const float> xi) = 0;
};

std::unique_ptr<Operations> make_cpu_operations(const SeparableKernels& kernels,
                                                std::int64_t height, std::int64_t width,
                                                Execution execution = {},
                                                const Preconditioner* preconditioner = nullptr);

// A local maximum of a score map.
struct Maximum {
  std::int64_t y = 0;
  std::int64_t x = 0;
  float value = 0;
};

// 8-connected regional maxima with a value > 0: a connected set of equal pixels without a higher
// neighbour, given by its first pixel in raster order. Sorted by falling value, ties in raster
// order.
std::vector<Maximum> local_maxima(ImageView score);

}  // namespace spotcore
