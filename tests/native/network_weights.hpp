// Random weights of networks.
#pragma once

#include <random>
#include <vector>

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

}  // namespace spotcore
