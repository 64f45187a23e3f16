// The image as a landscape, in which each pixel belongs to a mark.
#pragma once

#include <cstdint>
#include <span>

#include "spotcore/views.hpp"

namespace spotcore {

// Shares the pixels where `used` is not 0 out among marks, given as indices of different used
// pixels: owner[p] = i + 1 where the i-th mark's basin is, 0 where no mark can be reached.
//
// It is the minimum spanning forest rooted in the marks: the weight of an edge between two of 8
// neighbours is the depth of its lower pixel, and among equal ones that of its higher pixel. Of
// equally high pixels the later one in raster order is the higher.
//
// Cousty, Bertrand, Najman and Couprie, "Watershed cuts: minimum spanning forests and the drop of
// water principle", IEEE TPAMI 31(8), 2009.
void watershed(ImageView landscape, std::span<const std::int64_t> marks,
               std::span<const std::uint8_t> used, std::span<std::int32_t> owner);

}  // namespace spotcore
