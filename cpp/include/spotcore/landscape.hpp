// What is seen in the picture itself, beside the model: smoothing along an axis, and the image as a
// landscape, in which each pixel belongs to a summit or to a mark.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "spotcore/views.hpp"

namespace spotcore {

enum class Axis { y, x };

// out[p] = sum_t taps[t] image[p + t - r] along the axis, r = half of the taps; beyond the border
// the image goes on with its border's values. `taps` has an odd length, `out` the image's size and
// memory of its own.
void correlate1d(ImageView image, std::span<const float> taps, Axis axis, ImageSpan out,
                 const std::string& isa = "auto");

// summit[p]: index of the pixel that steepest ascent over 3 x 3 neighbourhoods leads to from p. A
// pixel comes before its neighbours, and these in raster order, where they are equally high.
void climb(ImageView landscape, std::span<std::int64_t> summit);

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
