// The inner loop of correlate1d.
#pragma once

#include <cstdint>

#include "platform/isa.hpp"

namespace spotcore {

// out[i] = sum_t taps[t] sources[t][i] for i in [0, n)
using WeightedSum = void (*)(const float* const* sources, const float* taps, std::int64_t n_taps,
                             std::int64_t n, float* out);

WeightedSum weighted_sum_for(Isa isa);

}  // namespace spotcore
