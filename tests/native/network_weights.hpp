// Random weights of networks.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "spotcore/hourglass.hpp"
#include "spotcore/networks.hpp"

namespace spotcore {

inline std::vector<float> draw(std::int64_t n, float scale) {
  static std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = scale * normal(generator);
  return values;
}

inline SpotNetWeights spotnet_weights(std::int64_t layers, std::int64_t bins, std::int64_t size,
                                      Nonlinearity nonlinearity) {
  const std::int64_t set = bins * size * size;
  const auto side = static_cast<float>(size);
  return {layers,
          bins,
          size,
          draw((layers + 1) * set, 1 / (side * side)),
          draw(layers * set, 1 / (side * side * static_cast<float>(bins))),
          draw(layers + 1, 0.1F),
          draw(layers, 0.5F),
          nonlinearity,
          draw(bins, 1.0F)};
}

// Widens, repeats channels, narrows and widens again.
inline ConvNetWeights convnet_weights() {
  return {{{6, 1, 3, draw(54, 0.3F), draw(6, 0.1F)},
           {12, 1, 5, draw(300, 0.1F), draw(12, 0.1F)},
           {3, 12, 1, draw(36, 0.1F), draw(3, 0.1F)},
           {50, 3, 7, draw(7350, 0.1F), draw(50, 0.1F)}},
          draw(50, 1.0F)};
}

inline HourglassLayer hourglass_layer(std::int64_t outputs, std::int64_t inputs, std::int64_t size,
                                      bool biased) {
  const auto scale = 1.0F / std::sqrt(static_cast<float>(inputs * size * size));
  return {outputs, inputs, size, draw(outputs * inputs * size * size, scale),
          biased ? draw(outputs, 0.3F) : std::vector<float>{}};
}

// Of channels that fill whole vectors and of some that do not, one head wider than any level.
inline HourglassWeights hourglass_weights(std::int64_t channels = 2,
                                          const std::vector<std::int64_t>& below = {16, 21}) {
  HourglassWeights w;
  w.lift = hourglass_layer(6, channels, 5, true);
  std::int64_t finer = 6;
  for (const std::int64_t outputs : below) {
    w.down.push_back(hourglass_layer(outputs, finer, 3, true));
    w.deepen.push_back(hourglass_layer(outputs, outputs, 3, false));
    w.lower.push_back(hourglass_layer(finer, outputs, 1, true));
    w.refine.push_back(hourglass_layer(finer, finer, 3, false));
    finer = outputs;
  }
  w.cells_hidden = hourglass_layer(5, 6, 3, true);
  w.cells_read = hourglass_layer(4, 5, 1, true);
  w.kinds_hidden = hourglass_layer(70, below[0], 3, true);
  w.kinds_read = hourglass_layer(6, 70, 1, true);
  return w;
}

}  // namespace spotcore
