// What is seen in the picture itself, against loops that follow the definitions.
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "spotcore/landscape.hpp"

using namespace spotcore;

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
  std::vector<std::int32_t> owner(6);
  const std::vector<std::uint8_t> none(6);
  const ImageView in{image.data(), 2, 3};
  CHECK_THROWS(watershed(in, std::vector<std::int64_t>{2}, none, owner), std::invalid_argument);
  CHECK_THROWS(watershed(in, std::vector<std::int64_t>{6}, none, owner), std::invalid_argument);
}
