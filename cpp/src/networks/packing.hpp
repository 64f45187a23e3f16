// Weights as the kernels of layers.hpp want them, and the checks that networks share.
#pragma once

#include <cstdint>
#include <vector>

#include "platform/aligned.hpp"
#include "platform/checks.hpp"
#include "platform/sizes.hpp"

namespace spotcore {

inline void require_numbers(const std::vector<float>& values, std::int64_t expected,
                            const char* name) {
  require(static_cast<std::int64_t>(values.size()) == expected, name, ": expected ", expected,
          " numbers, got ", values.size());
}

inline void require_odd(std::int64_t size, const char* name) {
  require(size >= 1 && size % 2 == 1, name, ": expected an odd size of kernels, got ", size);
}

// sign * [outputs, inputs, S, S] -> [S rows][S columns][inputs][vectors][lanes]
inline AlignedBuffer pack_convolution(std::int64_t lanes, const float* kernels,
                                      std::int64_t outputs, std::int64_t inputs, std::int64_t size,
                                      float sign) {
  const std::int64_t padded = ceil_div(outputs, lanes) * lanes, area = size * size;
  AlignedBuffer packed(static_cast<std::size_t>(area * inputs * padded));
  for (std::int64_t k = 0; k < outputs; ++k) {
    for (std::int64_t c = 0; c < inputs; ++c) {
      for (std::int64_t d = 0; d < area; ++d) {
        packed.get()[(d * inputs + c) * padded + k] = sign * kernels[(k * inputs + c) * area + d];
      }
    }
  }
  return packed;
}

// One number for each channel, padded with zeros to whole vectors.
inline AlignedBuffer pack_pixel(std::int64_t lanes, const std::vector<float>& values,
                                std::int64_t channels) {
  AlignedBuffer packed(static_cast<std::size_t>(ceil_div(channels, lanes) * lanes));
  std::copy(values.begin(), values.end(), packed.get());
  return packed;
}

}  // namespace spotcore
