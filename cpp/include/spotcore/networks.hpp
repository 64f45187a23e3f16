// Learned iterations: SpotNet, and ConvNet to compare it with.
//
// * is correlation of the same size with zeros outside the image, as in every learning framework.
//
//   SpotNet    x_0 = phi_{b_0}(analysis_0 * s),   z_0 = (1 + alpha_0) x_0,   and for l = 1..L
//              u   = sum_k synthesis_{l,k} * z_{l-1,k} - s
//              x_l = phi_{b_l}(z_{l-1} - analysis_l * u),   z_l = x_l + alpha_l (x_l - x_{l-1})
//   ConvNet    layer by layer  y = max(0, kernels * x + bias)
//
// The answer is x_L (y of the last layer), [K, H, W], and the score map sum_k weight_k x_{L,k}.
//
// del Aguila Pla, Saxena and Jalden, "SpotNet - learned iterations for cell detection in
// image-based immunoassays", IEEE ISBI 2019.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spotcore/ops.hpp"

namespace spotcore {

enum class Nonlinearity {
  soft,          // sign(x) max(|x| - b, 0)
  nonneg,        // max(x - b, 0)
  group_nonneg,  // with r = ||max(x, 0)||_2 over k:  max(x, 0) max(1 - b / r, 0)
  shifted_abs,   // |x + b|
};

struct SpotNetWeights {
  std::int64_t layers = 0;       // L >= 1
  std::int64_t bins = 0;         // K >= 1
  std::int64_t size = 0;         // S, odd
  std::vector<float> analysis;   // [L + 1, K, S, S]
  std::vector<float> synthesis;  // [L, K, S, S]
  std::vector<float> bias;       // [L + 1]
  std::vector<float> alpha;      // [L]
  Nonlinearity nonlinearity = Nonlinearity::soft;
  std::vector<float> score_weights;  // [K]
};

// One layer of ConvNet: full, kernels [outputs, inputs, S, S], or depthwise, [outputs, 1, S, S]
// with outputs = m inputs, where output c m + j sees input c only.
struct ConvLayerWeights {
  std::int64_t outputs = 0;
  std::int64_t inputs_per_output = 0;  // of the layer before, or 1: depthwise
  std::int64_t size = 0;               // S, odd
  std::vector<float> kernels;
  std::vector<float> bias;  // [outputs]
};

struct ConvNetWeights {
  std::vector<ConvLayerWeights> layers;  // the first one sees an image, each other the one before
  std::vector<float> score_weights;      // [K], K outputs of the last layer
};

// Weights packed for one instruction set, with threads and workspace: nothing is allocated when it
// runs, and it takes images of any size. One thread uses it at a time. The answer does not
// depend on the number of threads.
class Network {
 public:
  virtual ~Network() = default;
  virtual std::int64_t bins() const = 0;  // K

  // images [B, H, W] -> maps [B, K, H, W] and scores [B, H, W]; either may be empty: not asked for,
  // and then never held in memory.
  virtual void run(StackView images, std::span<float> maps, std::span<float> scores) = 0;
};

std::unique_ptr<Network> make_spotnet(const SpotNetWeights& weights, Execution execution = {});
std::unique_ptr<Network> make_convnet(const ConvNetWeights& weights, Execution execution = {});

}  // namespace spotcore
