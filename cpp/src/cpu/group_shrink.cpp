#include "cpu/group_shrink.hpp"

#include <algorithm>
#include <cmath>

#include "platform/checks.hpp"

#define SPOTCORE_KERNEL "cpu/group_shrink.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {
namespace {

constexpr std::int64_t kBlocksPerTask = 16;
constexpr int kNewtonSteps = 100;  // a handful are used; this only bounds the loop

}  // namespace

ShrinkPixels shrink_kernel(Isa isa) { return SPOTCORE_FOR_ISA(isa, shrink_pixels); }

void check_xi(std::span<const float> xi, std::int64_t bins) {
  require_length(xi, bins, "xi");
  for (const float value : xi) {
    require(value >= 0.0F && std::isfinite(value), "xi: expected finite values >= 0, got ", value);
  }
}

void check_shrinkage(const Shrinkage& shrinkage, std::int64_t bins) {
  check_xi(shrinkage.xi, bins);
  require(shrinkage.gamma >= 0.0F && std::isfinite(shrinkage.gamma),
          "gamma: expected a finite number >= 0, got ", shrinkage.gamma);
}

float equal_weight(std::span<const float> xi) {
  float weight = 0.0F;
  for (const float value : xi) {
    if (value == 0.0F) continue;
    if (weight != 0.0F && value != weight) return 0.0F;
    weight = value;
  }
  return weight == 0.0F ? 1.0F : weight;  // with aleph empty any weight shrinks nothing
}

// Theorem 1. With x >= 0: if ||x / xi|| <= gamma the result is 0 in aleph; else
//   y = x t / (xi^2 + t),  t > 0 with  phi(t) = ||xi x / (xi^2 + t)|| = gamma.
// Newton on 1/phi - 1/gamma from t = 0: 1/phi is concave and rises, so the steps stay below the
// root and grow monotonically towards it.
float shrink_pixel(float* x, const ShrinkBlock& block) {
  const double gamma = block.gamma;
  const auto sum_over_aleph = [&](auto term) {
    double sum = 0;
    for (std::size_t k = 0; k < block.xi.size(); ++k) {
      if (block.xi[k] == 0.0F) continue;
      sum += term(double{block.xi[k]}, double{x[static_cast<std::int64_t>(k) * kShrinkPixels]});
    }
    return sum;
  };
  double t = 0;
  double phi = std::sqrt(sum_over_aleph([](double xi, double v) { return v / xi * (v / xi); }));
  const bool vanishes = phi <= gamma;
  if (!vanishes && gamma > 0) {
    for (int i = 0; i < kNewtonSteps; ++i) {
      const double slope = sum_over_aleph([t](double xi, double v) {
        const double s = xi * xi + t;
        return xi * v / s * (xi * v / s) / s;
      });  // -phi phi'
      const double next = t + (phi / gamma - 1.0) * phi * phi / slope;
      if (!(next > t * (1.0 + 1e-12))) break;
      t = next;
      phi = std::sqrt(sum_over_aleph([t](double xi, double v) {
        const double s = xi * v / (xi * xi + t);
        return s * s;
      }));
      if (phi <= gamma) break;
    }
  }
  double norm = 0;
  for (std::size_t k = 0; k < block.xi.size(); ++k) {
    if (block.xi[k] == 0.0F) continue;
    const double xi = block.xi[k];
    float& value = x[static_cast<std::int64_t>(k) * kShrinkPixels];
    // gamma = 0 leaves x as it is: t is infinite there.
    const double scale = vanishes ? 0.0 : gamma > 0 ? t / (xi * xi + t) : 1.0;
    value = static_cast<float>(value * scale);
    norm += xi * value * (xi * value);
  }
  return static_cast<float>(std::sqrt(norm));
}

std::int64_t block_count(std::int64_t pixels) { return ceil_div(pixels, kShrinkPixels); }

double sum_blocks(ThreadPool& pool, std::int64_t pixels, std::span<double> partial,
                  function_ref<double(std::int64_t, std::int64_t, int)> block) {
  const std::int64_t blocks = block_count(pixels);
  pool.run(ceil_div(blocks, kBlocksPerTask), [&](std::int64_t task, int worker) {
    const std::int64_t last = std::min(blocks, (task + 1) * kBlocksPerTask);
    for (std::int64_t b = task * kBlocksPerTask; b < last; ++b) {
      const std::int64_t p0 = b * kShrinkPixels;
      partial[static_cast<std::size_t>(b)] =
          block(p0, std::min(kShrinkPixels, pixels - p0), worker);
    }
  });
  double sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) sum += partial[static_cast<std::size_t>(b)];
  return sum;
}

}  // namespace spotcore
