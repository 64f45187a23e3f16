#include "landscape/correlate1d.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "platform/checks.hpp"
#include "spotcore/landscape.hpp"

#define SPOTCORE_KERNEL "landscape/correlate1d.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {

WeightedSum weighted_sum_for(Isa isa) { return SPOTCORE_FOR_ISA(isa, weighted_sum); }

void correlate1d(ImageView image, std::span<const float> taps, Axis axis, ImageSpan out,
                 const std::string& isa) {
  require_pixels(image, "image");
  require(taps.size() % 2 == 1, "taps: expected an odd number, got ", taps.size());
  require_shape(out, {image.height, image.width}, "out");
  const auto n_taps = static_cast<std::int64_t>(taps.size());
  const std::int64_t half = n_taps / 2, h = image.height, w = image.width;
  const WeightedSum weighted_sum = weighted_sum_for(isa_from_name(isa));
  std::vector<const float*> sources(taps.size());
  if (axis == Axis::y) {
    for (std::int64_t y = 0; y < h; ++y) {
      for (std::int64_t t = 0; t < n_taps; ++t) {
        sources[static_cast<std::size_t>(t)] =
            image.row(std::clamp<std::int64_t>(y + t - half, 0, h - 1));
      }
      weighted_sum(sources.data(), taps.data(), n_taps, w, out.row(y));
    }
    return;
  }
  std::vector<float> padded(static_cast<std::size_t>(w + 2 * half));
  for (std::int64_t t = 0; t < n_taps; ++t) {
    sources[static_cast<std::size_t>(t)] = padded.data() + t;
  }
  for (std::int64_t y = 0; y < h; ++y) {
    const float* row = image.row(y);
    std::fill_n(padded.begin(), half, row[0]);
    std::copy_n(row, w, padded.begin() + half);
    std::fill_n(padded.begin() + half + w, half, row[w - 1]);
    weighted_sum(sources.data(), taps.data(), n_taps, w, out.row(y));
  }
}

}  // namespace spotcore
