// SpotNet and ConvNet as chains of steps: checks, and weights packed for the kernels.
#include <algorithm>
#include <cmath>

#include "networks/packing.hpp"
#include "networks/stream.hpp"
#include "platform/checks.hpp"
#include "spotcore/networks.hpp"

namespace spotcore {
namespace {

NetworkPlan plan_for(const Execution& execution) {
  NetworkPlan plan;
  plan.kernel = layer_kernel(isa_from_name(execution.isa));
  plan.rings.push_back({});  // the image
  return plan;
}

// [K, S, S] -> [S rows][vectors][S columns][lanes]
AlignedBuffer pack_synthesis(const NetworkPlan& plan, const float* kernels, std::int64_t bins,
                             std::int64_t size) {
  const std::int64_t lanes = plan.lanes(), vectors = plan.vectors(bins);
  AlignedBuffer packed(static_cast<std::size_t>(size * size * vectors * lanes));
  for (std::int64_t k = 0; k < bins; ++k) {
    for (std::int64_t dy = 0; dy < size; ++dy) {
      for (std::int64_t dx = 0; dx < size; ++dx) {
        packed.get()[((dy * vectors + k / lanes) * size + dx) * lanes + k % lanes] =
            kernels[(k * size + dy) * size + dx];
      }
    }
  }
  return packed;
}

void check(const SpotNetWeights& w) {
  require(w.layers >= 1 && w.bins >= 1,
          "synthesis: expected at least one layer and one kernel, got ", w.layers, " and ", w.bins);
  require_odd(w.size, "analysis");
  require_numbers(w.synthesis, product({w.layers, w.bins, w.size, w.size}), "synthesis");
  require_numbers(w.analysis, product({w.layers + 1, w.bins, w.size, w.size}), "analysis");
  require_numbers(w.bias, w.layers + 1, "bias");
  require_numbers(w.alpha, w.layers, "alpha");
  require_numbers(w.score_weights, w.bins, "score_weights");
}

void check(const ConvNetWeights& w) {
  require(!w.layers.empty(), "layers: expected at least one");
  std::int64_t channels = 1;
  for (const ConvLayerWeights& layer : w.layers) {
    require_odd(layer.size, "layers");
    require(layer.outputs >= 1 && (layer.inputs_per_output == channels ||
                                   (layer.inputs_per_output == 1 && layer.outputs % channels == 0)),
            "layers: expected kernels that fit ", channels, " channels, got [", layer.outputs, ", ",
            layer.inputs_per_output, ", S, S]");
    require_numbers(layer.kernels,
                    product({layer.outputs, layer.inputs_per_output, layer.size, layer.size}),
                    "layers");
    require_numbers(layer.bias, layer.outputs, "layers");
    channels = layer.outputs;
  }
  require_numbers(w.score_weights, channels, "score_weights");
}

}  // namespace

std::unique_ptr<Network> make_spotnet(const SpotNetWeights& w, Execution execution) {
  check(w);
  NetworkPlan plan = plan_for(execution);
  const std::int64_t set = w.bins * w.size * w.size;
  const std::int64_t pixel = plan.vectors(w.bins) * plan.lanes();
  std::int64_t before = -1, z = -1;  // rings that hold x_{l-1}, times `scale`, and z_{l-1}
  float scale = 1;
  for (std::int64_t l = 0; l <= w.layers; ++l) {
    const auto at = static_cast<std::size_t>(l);
    if (l > 0) {
      NetworkStep synthesis;
      synthesis.synthesis = true;
      synthesis.size = w.size;
      synthesis.vectors = plan.vectors(w.bins);
      synthesis.taps = pack_synthesis(plan, w.synthesis.data() + (l - 1) * set, w.bins, w.size);
      synthesis.input = z;
      synthesis.z = plan.add_ring(1);
      plan.steps.push_back(std::move(synthesis));
    }
    NetworkStep step;
    step.size = w.size;
    step.vectors = plan.vectors(w.bins);
    step.outputs = w.bins;
    step.taps = pack_convolution(plan.lanes(), w.analysis.data() + l * set, w.bins, 1, w.size,
                                 l == 0 ? 1.0F : -1.0F);
    step.start_pixel = AlignedBuffer(static_cast<std::size_t>(pixel));
    step.nonlinearity = w.nonlinearity;
    step.threshold = w.bias[at];
    if (l > 0) {
      step.input = plan.steps.back().z;
      step.start = z;
    }
    if (l < w.layers) {
      const float alpha = w.alpha[at];
      step.keep = 1 + alpha;
      if (l > 0 && alpha != 0.0F) {
        step.back = alpha / scale;
        step.previous = before;
      }
      step.z = z = plan.add_ring(pixel);
      before = z;
      scale = step.keep;
      // z_0 is a multiple of x_0, which need not be kept, unless that multiple is nearly nothing.
      const bool wanted = l + 1 < w.layers && w.alpha[at + 1] != 0.0F;
      if (wanted && (l > 0 || std::abs(scale) < 1e-3F)) {
        step.x = before = plan.add_ring(pixel);
        scale = 1;
      }
    }
    plan.steps.push_back(std::move(step));
  }
  plan.finish(w.score_weights);
  return make_network(std::move(plan), std::move(execution));
}

std::unique_ptr<Network> make_convnet(const ConvNetWeights& w, Execution execution) {
  check(w);
  NetworkPlan plan = plan_for(execution);
  std::int64_t channels = 1;
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    const ConvLayerWeights& layer = w.layers[i];
    NetworkStep step;
    step.size = layer.size;
    step.outputs = layer.outputs;
    step.vectors = plan.vectors(layer.outputs);
    step.channels = layer.inputs_per_output;
    step.depthwise = layer.inputs_per_output != channels;
    step.taps = pack_convolution(plan.lanes(), layer.kernels.data(), layer.outputs,
                                 layer.inputs_per_output, layer.size, 1.0F);
    step.start_pixel = pack_pixel(plan.lanes(), layer.bias, layer.outputs);
    if (i > 0) step.input = plan.steps.back().z;
    channels = layer.outputs;
    if (i + 1 < w.layers.size()) {
      // A depthwise layer finds each channel as many times as it has outputs for it.
      const ConvLayerWeights& next = w.layers[i + 1];
      if (next.inputs_per_output != channels) step.repeat = next.outputs / channels;
      step.z = plan.add_ring(plan.vectors(channels * step.repeat) * plan.lanes());
    }
    plan.steps.push_back(std::move(step));
  }
  plan.finish(w.score_weights);
  return make_network(std::move(plan), std::move(execution));
}

}  // namespace spotcore
