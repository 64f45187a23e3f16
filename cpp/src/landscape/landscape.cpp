#include "spotcore/landscape.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "platform/checks.hpp"

namespace spotcore {
namespace {

template <class T>
void require_each(std::span<T> values, ImageView landscape, const char* name) {
  require(static_cast<std::int64_t>(values.size()) == landscape.size(), name,
          ": expected one entry per pixel of the landscape, ", landscape.size(), ", got ",
          values.size());
}

std::size_t at(std::int64_t p) { return static_cast<std::size_t>(p); }

// Trees of pixels, each with the mark that it is rooted in, 0 for none yet.
class Forest {
 public:
  Forest(std::size_t pixels, std::span<const std::int64_t> marks) : parent_(pixels), mark_(pixels) {
    std::iota(parent_.begin(), parent_.end(), std::int64_t{0});
    std::int32_t number = 0;
    for (const std::int64_t p : marks) mark_[at(p)] = ++number;
  }
  std::int64_t root(std::int64_t p) {
    while (parent_[at(p)] != p) p = parent_[at(p)] = parent_[at(parent_[at(p)])];
    return p;
  }
  // Joins the trees of p and q, unless each has a mark of its own.
  void join(std::int64_t p, std::int64_t q) {
    p = root(p);
    q = root(q);
    if (p == q || (mark_[at(p)] != 0 && mark_[at(q)] != 0)) return;
    mark_[at(q)] = std::max(mark_[at(p)], mark_[at(q)]);
    parent_[at(p)] = q;
  }
  std::int32_t mark(std::int64_t p) { return mark_[at(root(p))]; }

 private:
  std::vector<std::int64_t> parent_;
  std::vector<std::int32_t> mark_;
};

}  // namespace

void watershed(ImageView landscape, std::span<const std::int64_t> marks,
               std::span<const std::uint8_t> used, std::span<std::int32_t> owner) {
  require_pixels(landscape, "landscape");
  require_each(used, landscape, "used");
  require_each(owner, landscape, "owner");
  for (const std::int64_t p : marks) {
    require(0 <= p && p < landscape.size() && used[at(p)] != 0,
            "marks: expected indices of used pixels below ", landscape.size(), ", got ", p);
  }
  const std::int64_t h = landscape.height, w = landscape.width;
  std::vector<std::int64_t> order;  // of the used pixels, from the highest on
  for (std::int64_t p = landscape.size() - 1; p >= 0; --p) {
    if (used[at(p)] != 0) order.push_back(p);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t p, std::int64_t q) {
    return landscape.data[p] > landscape.data[q];
  });
  constexpr std::int64_t kUnseen = -1;
  std::vector<std::int64_t> place(at(landscape.size()), kUnseen);  // in `order`
  Forest forest(at(landscape.size()), marks);
  // Kruskal's algorithm: edges by their lower pixel, and those of one by their higher pixel.
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int64_t p = order[i], y = p / w, x = p % w;
    place[at(p)] = static_cast<std::int64_t>(i);
    std::array<std::int64_t, 9> higher;  // places of p and its higher neighbours, sorted
    std::size_t count = 0;
    for (std::int64_t v = std::max<std::int64_t>(y - 1, 0); v <= std::min(y + 1, h - 1); ++v) {
      for (std::int64_t u = std::max<std::int64_t>(x - 1, 0); u <= std::min(x + 1, w - 1); ++u) {
        const std::int64_t seen = place[at(v * w + u)];
        if (seen == kUnseen) continue;
        std::size_t n = count++;
        for (; n > 0 && higher[n - 1] > seen; --n) higher[n] = higher[n - 1];
        higher[n] = seen;
      }
    }
    for (std::size_t n = 0; n < count; ++n) forest.join(p, order[at(higher[n])]);
  }
  for (std::int64_t p = 0; p < landscape.size(); ++p) {
    owner[at(p)] = used[at(p)] == 0 ? 0 : forest.mark(p);
  }
}

}  // namespace spotcore
