// What SpotNet and ConvNet have in common: a chain of steps through which an image streams.
#pragma once

#include <vector>

#include "networks/layers.hpp"
#include "platform/aligned.hpp"
#include "platform/sizes.hpp"

namespace spotcore {

// Rows that one step leaves for later ones: the last few of them, in a ring.
struct Ring {
  std::int64_t pitch = 1;  // floats of a pixel
  std::int64_t rows = 1;
  std::int64_t writer = -1;  // step; -1: the image
};

// One layer, which sees rows y - S/2 to y + S/2 of its input ring.
struct NetworkStep {
  bool synthesis = false;
  std::int64_t size = 1;      // S
  std::int64_t channels = 1;  // of the input
  std::int64_t vectors = 1;   // of the input of a synthesis, of the output of a convolution
  bool depthwise = false;
  AlignedBuffer taps;         // as SynthesisRow and ConvolutionRow want them
  AlignedBuffer start_pixel;  // what sums begin with, if not a ring
  Nonlinearity nonlinearity = Nonlinearity::nonneg;
  float threshold = 0;
  float keep = 1, back = 0;  // see ConvolutionRow
  std::int64_t repeat = 1;
  std::int64_t outputs = 1;  // channels that count

  // Indices of rings; -1: none.
  std::int64_t input = 0, start = -1, previous = -1, x = -1, z = -1;

  // Set by finish().
  std::int64_t halo = 0;  // pixels around its output that later steps see
  std::int64_t lag = 0;   // rows behind the image
};

struct NetworkPlan {
  LayerKernel kernel;
  std::vector<Ring> rings;         // the first one holds the image
  std::vector<NetworkStep> steps;  // the last one's result is the answer
  AlignedBuffer score_weights;     // padded to whole vectors
  std::int64_t bins = 0;
  std::int64_t reach = 0;  // pixels around its own that a result depends on

  std::int64_t lanes() const { return kernel.lanes; }
  std::int64_t vectors(std::int64_t channels) const { return ceil_div(channels, lanes()); }
  // A new ring, for the output of the step that is added next.
  std::int64_t add_ring(std::int64_t pitch);
  // Lags, halos and the rows that each ring needs.
  void finish(std::span<const float> weights);
};

std::unique_ptr<Network> make_network(NetworkPlan plan, Execution execution);

}  // namespace spotcore
