// The network that finds the cells of real wells: down some levels, and up again.
//
// With relu(x) = max(x, 0), * correlation of the same size with zeros outside, mean2 the mean of
// 2x2 pixels and twice its bilinear inverse (align_corners = false), for levels l = 1..L
//
//   x_0 = relu(lift * views + bias),
//   y   = relu(down_l * mean2(x_{l-1}) + bias),     x_l = relu(y + deepen_l * y)
//
// and back, from z_L = x_L,
//
//   y   = relu(x_{l-1} + twice(lower_l * z_l + bias)),     z_{l-1} = relu(y + refine_l * y).
//
// A head is  read * relu(hidden * z + bias) + bias:  of z_0 for the cells, of z_1 for the kinds.
//
// Where each channel stands for one of eight orientations of a feature (Cohen and Welling, "Group
// equivariant convolutional networks", ICML 2016), a turned or flipped view has turned or flipped
// answers; that is the kernels' matter.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spotcore/ops.hpp"

namespace spotcore {

struct HourglassLayer {
  std::int64_t outputs = 0, inputs = 0;
  std::int64_t size = 0;       // S, odd
  std::vector<float> kernels;  // [outputs, inputs, S, S]
  std::vector<float> bias;     // [outputs]; of deepen and refine empty
};

struct HourglassWeights {
  HourglassLayer lift;
  std::vector<HourglassLayer> down, deepen, lower, refine;  // [L]
  HourglassLayer cells_hidden, cells_read;                  // read: S = 1
  HourglassLayer kinds_hidden, kinds_read;
};

// Weights packed for one instruction set, with threads. One thread uses it at a time. The answer
// does not depend on the number of threads. Memory is kept for the largest view so far.
class Hourglass {
 public:
  virtual ~Hourglass() = default;
  virtual std::int64_t channels() const = 0;  // C, of a view
  virtual std::int64_t stride() const = 0;    // sides of views are multiples of it: 2^L
  virtual std::int64_t cells() const = 0;     // outputs of each head
  virtual std::int64_t kinds() const = 0;

  // view [C, H, W] -> cells [cells, H, W], kinds [kinds, H / 2, W / 2]
  virtual void run(StackView view, std::span<float> cells, std::span<float> kinds) = 0;
};

std::unique_ptr<Hourglass> make_hourglass(const HourglassWeights& weights,
                                          Execution execution = {});

}  // namespace spotcore
