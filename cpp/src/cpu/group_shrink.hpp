// Shared by group_shrink.cpp, fista_step.cpp and primal_dual_step.cpp, whose kernels work on the
// same blocks of pixels.
#pragma once

#include <cstdint>
#include <span>

#include "cpu/observation_plan.hpp"
#include "platform/function_ref.hpp"
#include "platform/isa.hpp"
#include "platform/threads.hpp"
#include "spotcore/ops.hpp"

namespace spotcore {

// Pixels that are shrunk together. All bins of a block stay in the first-level cache between the
// two times that shrinkage needs them, and bins a whole image apart never compete for its sets.
inline constexpr std::int64_t kShrinkPixels = Block::kPixels;

struct ShrinkBlock {
  std::int64_t pixels;
  float gamma;
  std::span<const float> xi;
  float equal_weight;  // the value of xi all over aleph, or 0 if xi takes several values there
};

// Theorem 1 at one pixel, in place: x[k * kShrinkPixels], all >= 0. Returns ||xi y||_2.
float shrink_pixel(float* x, const ShrinkBlock& block);

float equal_weight(std::span<const float> xi);
void check_xi(std::span<const float> xi, std::int64_t bins);
void check_shrinkage(const Shrinkage& shrinkage, std::int64_t bins);

// Runs `block(first pixel, pixels, worker)` over all blocks and adds up what they return in the
// order of the blocks, whatever thread worked on them. `partial` has block_count(pixels) entries.
double sum_blocks(ThreadPool& pool, std::int64_t pixels, std::span<double> partial,
                  function_ref<double(std::int64_t, std::int64_t, int)> block);
std::int64_t block_count(std::int64_t pixels);

struct ShrinkArguments {
  const float* x;
  float* y;
  std::int64_t plane;  // floats from one bin to the next
  ShrinkBlock block;
};

struct StepArguments {
  const float *a, *a_prev, *mask;  // mask may be null
  float* next;
  ImageSize image;
  float step, alpha;
  ShrinkBlock block;
};

struct PrimalDualArguments {
  float* e;           // may be null: zero, and not updated
  const float* mask;  // may be null
  float* z;
  ImageSize image;
  float step, relaxation;
  ShrinkBlock block;
};

using ShrinkPixels = double (*)(const ShrinkArguments&, std::int64_t, float*);
// On a block of pixels, whose gradient is in the values and is overwritten.
using StepPixels = double (*)(const StepArguments&, const Block&, float* values);
// Likewise, with A* nu in the values.
using PrimalDualPixels = double (*)(const PrimalDualArguments&, const Block&, float* values);
ShrinkPixels shrink_kernel(Isa isa);
StepPixels step_kernel(Isa isa);
PrimalDualPixels primal_dual_kernel(Isa isa);

}  // namespace spotcore
