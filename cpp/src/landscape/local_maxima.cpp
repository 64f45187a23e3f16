#include <algorithm>
#include <cstdint>
#include <vector>

#include "platform/checks.hpp"
#include "spotcore/ops.hpp"

namespace spotcore {
namespace {

template <class Visit>
void for_each_neighbour(ImageView image, std::int64_t y, std::int64_t x, Visit visit) {
  const std::int64_t y1 = std::min(y + 1, image.height - 1);
  const std::int64_t x1 = std::min(x + 1, image.width - 1);
  for (std::int64_t v = std::max<std::int64_t>(0, y - 1); v <= y1; ++v) {
    for (std::int64_t u = std::max<std::int64_t>(0, x - 1); u <= x1; ++u) {
      if (v != y || u != x) visit(v, u);
    }
  }
}

// Visits the plateau around (y, x) once, marks it as seen, and says whether nothing beside it is
// higher.
bool plateau_is_maximum(ImageView score, std::int64_t y, std::int64_t x, std::vector<char>& seen,
                        std::vector<std::int64_t>& queue) {
  const float value = score.row(y)[x];
  bool highest = true;
  queue.assign(1, y * score.width + x);
  seen[static_cast<std::size_t>(queue.front())] = 1;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const std::int64_t p = queue[i];
    for_each_neighbour(score, p / score.width, p % score.width,
                       [&](std::int64_t v, std::int64_t u) {
                         const float neighbour = score.row(v)[u];
                         const std::int64_t q = v * score.width + u;
                         if (neighbour > value) highest = false;
                         if (neighbour == value && !seen[static_cast<std::size_t>(q)]) {
                           seen[static_cast<std::size_t>(q)] = 1;
                           queue.push_back(q);
                         }
                       });
  }
  return highest;
}

}  // namespace

std::vector<Maximum> local_maxima(ImageView score) {
  require_pixels(score, "score");
  std::vector<Maximum> maxima;
  std::vector<char> seen(static_cast<std::size_t>(score.size()), 0);
  std::vector<std::int64_t> queue;
  for (std::int64_t y = 0; y < score.height; ++y) {
    for (std::int64_t x = 0; x < score.width; ++x) {
      const float value = score.row(y)[x];
      if (!(value > 0.0F) || seen[static_cast<std::size_t>(y * score.width + x)]) continue;
      bool higher = false, equal = false;
      for_each_neighbour(score, y, x, [&](std::int64_t v, std::int64_t u) {
        higher = higher || score.row(v)[u] > value;
        equal = equal || score.row(v)[u] == value;
      });
      if (higher) continue;  // a plateau with a higher neighbour elsewhere is found out below
      if (!equal || plateau_is_maximum(score, y, x, seen, queue)) maxima.push_back({y, x, value});
    }
  }
  std::stable_sort(maxima.begin(), maxima.end(),
                   [](const Maximum& a, const Maximum& b) { return a.value > b.value; });
  return maxima;
}

}  // namespace spotcore
