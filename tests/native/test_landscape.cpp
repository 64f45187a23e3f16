// What is seen in the picture itself, against loops that follow the definitions.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "spotcore/landscape.hpp"
#include "spotcore/ops.hpp"

using namespace spotcore;

TEST_CASE("a correlation goes on with the border's values, on every instruction set") {
  const std::int64_t h = 3, w = 70;
  std::vector<float> image(static_cast<std::size_t>(h * w));
  for (std::size_t p = 0; p < image.size(); ++p) image[p] = static_cast<float>(p % 13) - 4.0F;
  const std::vector<float> taps = {1, -2, 4, 8, -16};
  const ImageView in{image.data(), h, w};
  for (const std::string& isa : isa_names()) {
    for (const Axis axis : {Axis::y, Axis::x}) {
      std::vector<float> out(image.size());
      correlate1d(in, taps, axis, {out.data(), h, w}, isa);
      for (std::int64_t y = 0; y < h; ++y) {
        for (std::int64_t x = 0; x < w; ++x) {
          float sum = 0;
          for (std::int64_t t = -2; t <= 2; ++t) {
            const std::int64_t v = std::clamp<std::int64_t>(axis == Axis::y ? y + t : y, 0, h - 1);
            const std::int64_t u = std::clamp<std::int64_t>(axis == Axis::x ? x + t : x, 0, w - 1);
            sum += taps[static_cast<std::size_t>(t + 2)] * in.row(v)[u];
          }
          CHECK(out[static_cast<std::size_t>(y * w + x)] == sum);  // whole numbers: exact
        }
      }
    }
  }
}

TEST_CASE("every pixel climbs to its summit") {
  const std::vector<float> heights = {
      1, 2, 1, 0, 0,  //
      2, 5, 2, 1, 0,  //
      1, 2, 1, 3, 1,  //
  };
  std::vector<std::int64_t> summit(heights.size());
  climb({heights.data(), 3, 5}, summit);
  CHECK(summit[0] == 6 && summit[2] == 6 && summit[12] == 6);  // the 5
  CHECK(summit[4] == 13 && summit[9] == 13 && summit[13] == 13);
}

TEST_CASE("basins meet at the lowest pixel between two marks, and share what is used") {
  const std::vector<float> heights = {9, 4, 3, 5, 8, 2};
  const std::vector<std::uint8_t> used = {1, 1, 1, 1, 1, 0};
  const std::vector<std::int64_t> marks = {4, 0};
  std::vector<std::int32_t> owner(heights.size());
  watershed({heights.data(), 1, 6}, marks, used, owner);
  // The 3 falls to the side of its higher neighbour, the 5.
  CHECK((owner == std::vector<std::int32_t>{2, 2, 1, 1, 1, 0}));
}

TEST_CASE("wrong arguments of landscapes are refused") {
  const std::vector<float> image(6);
  std::vector<float> out(6);
  std::vector<std::int64_t> summit(5);
  std::vector<std::int32_t> owner(6);
  const std::vector<std::uint8_t> none(6);
  const ImageView in{image.data(), 2, 3};
  CHECK_THROWS(correlate1d(in, image, Axis::x, {out.data(), 2, 3}), std::invalid_argument);
  CHECK_THROWS(climb(in, summit), std::invalid_argument);
  CHECK_THROWS(watershed(in, std::vector<std::int64_t>{2}, none, owner), std::invalid_argument);
  CHECK_THROWS(watershed(in, std::vector<std::int64_t>{6}, none, owner), std::invalid_argument);
}
