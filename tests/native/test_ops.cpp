// The operations against loops that follow the definitions, for every instruction set.
#include <algorithm>
#include <limits>

#include "check.hpp"
#include "spotcore/ops.hpp"

using namespace spotcore;

namespace {

constexpr float kSentinel = 12345.0F;

struct Shape {
  std::int64_t height, width;
  std::vector<std::pair<std::int64_t, std::int64_t>> kernels;  // rank, length
};

const Shape kShapes[] = {
    {1, 1, {{1, 1}}},
    {1, 1, {{2, 9}}},
    {1, 53, {{1, 5}, {2, 61}}},
    {53, 1, {{2, 7}, {1, 121}}},
    {17, 49, {{3, 11}, {1, 1}, {2, 99}}},
    {50, 97, {{1, 31}, {2, 5}}},
};

SeparableKernels random_kernels(const Shape& shape, check::Random& random) {
  SeparableKernels kernels;
  for (const auto& [rank, length] : shape.kernels) {
    SeparableKernel kernel{rank, length, random.vector(static_cast<std::size_t>(rank * length))};
    for (std::int64_t r = 0; r < rank; ++r) {
      float* f = kernel.taps.data() + r * length;
      for (std::int64_t m = 0; m < length / 2; ++m) f[length - 1 - m] = f[m];
    }
    kernels.push_back(std::move(kernel));
  }
  return kernels;
}

// y = g (*) x in double, and the same with absolute values: the scale of the rounding errors.
struct Exact {
  double value = 0, magnitude = 0;
};
Exact exact_conv(const SeparableKernel& kernel, ImageView x, std::int64_t y, std::int64_t col) {
  Exact sum;
  const std::int64_t half = kernel.half();
  for (std::int64_t v = std::max<std::int64_t>(0, y - half); v <= std::min(x.height - 1, y + half);
       ++v) {
    for (std::int64_t u = std::max<std::int64_t>(0, col - half);
         u <= std::min(x.width - 1, col + half); ++u) {
      for (std::int64_t r = 0; r < kernel.rank; ++r) {
        const double g = double{kernel.factor(r)[v - y + half]} * kernel.factor(r)[u - col + half];
        sum.value += g * x.row(v)[u];
        sum.magnitude += std::abs(g * x.row(v)[u]);
      }
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("convolutions follow the definition on every instruction set, and write nowhere else") {
  for (const std::string& isa : isa_names()) {
    for (const Shape& shape : kShapes) {
      check::Random random(7);
      const SeparableKernels kernels = random_kernels(shape, random);
      const auto bins = static_cast<std::int64_t>(kernels.size());
      const std::int64_t pixels = shape.height * shape.width;
      const auto ops = make_cpu_operations(kernels, shape.height, shape.width, {2, isa, {}});
      const std::vector<float> x = random.vector(static_cast<std::size_t>(bins * pixels));
      std::vector<float> y(x.size() + 1, kSentinel),
          d(static_cast<std::size_t>(pixels) + 1, kSentinel);
      const StackView in{x.data(), bins, shape.height, shape.width};
      ops->separable_conv(in, {y.data(), bins, shape.height, shape.width});
      ops->forward(in, {d.data(), shape.height, shape.width});
      CHECK(y.back() == kSentinel);
      CHECK(d.back() == kSentinel);
      for (std::int64_t p = 0; p < pixels; ++p) {
        Exact image;
        for (std::int64_t k = 0; k < bins; ++k) {
          const SeparableKernel& kernel = kernels[static_cast<std::size_t>(k)];
          const Exact exact = exact_conv(kernel, in.image(k), p / shape.width, p % shape.width);
          // Each of two passes adds at most `length` rounding errors, and the sum over factors.
          const double terms = static_cast<double>(2 * kernel.length * kernel.rank + 2);
          const double bound = terms * std::numeric_limits<float>::epsilon() * exact.magnitude;
          CHECK(std::abs(y[static_cast<std::size_t>(k * pixels + p)] - exact.value) <= bound);
          image.value += exact.value;
          image.magnitude += terms * exact.magnitude;
        }
        const double bound =
            static_cast<double>(bins) * std::numeric_limits<float>::epsilon() * image.magnitude;
        CHECK(std::abs(d[static_cast<std::size_t>(p)] - image.value) <= bound);
      }
    }
  }
}

TEST_CASE("coarse kernels are D^T C D by definition, on every instruction set") {
  // One axis at a time: D[n, x] = p(x - s (n - margin)) as a dense matrix, C as a dense Toeplitz.
  constexpr std::int64_t kScale = 4, kHalf = 7, kMargin = kHalf / kScale, kHeight = 61, kWidth = 38;
  check::Random random(11);
  SeparableKernel kernel{2, 5, random.vector(10), kScale, random.vector(2 * kHalf + 1)};
  for (std::int64_t m = 0; m < 2; ++m) {
    for (std::int64_t r = 0; r < 2; ++r) kernel.taps[r * 5 + 4 - m] = kernel.taps[r * 5 + m];
  }
  for (std::int64_t m = 0; m < kHalf; ++m) kernel.lowpass[2 * kHalf - m] = kernel.lowpass[m];
  const auto axis = [&](std::int64_t r, std::int64_t size) {  // D^T F_r D, [size, size]
    const std::int64_t coarse = (size - 1 + kHalf) / kScale + 1 + kMargin;
    const auto low = [&](std::int64_t n, std::int64_t x) {
      const std::int64_t m = x - kScale * (n - kMargin) + kHalf;
      return m < 0 || m > 2 * kHalf ? 0.0 : double{kernel.lowpass[static_cast<std::size_t>(m)]};
    };
    std::vector<double> out(static_cast<std::size_t>(size * size));
    for (std::int64_t n = 0; n < coarse; ++n) {
      for (std::int64_t q = std::max<std::int64_t>(0, n - 2); q < std::min(coarse, n + 3); ++q) {
        for (std::int64_t x = 0; x < size; ++x) {
          for (std::int64_t y = 0; y < size; ++y) {
            out[static_cast<std::size_t>(x * size + y)] +=
                low(n, x) * kernel.factor(r)[q - n + 2] * low(q, y);
          }
        }
      }
    }
    return out;
  };
  const std::vector<float> d = random.vector(kHeight * kWidth);
  std::vector<double> exact(d.size());
  for (std::int64_t r = 0; r < 2; ++r) {
    const std::vector<double> rows = axis(r, kHeight), columns = axis(r, kWidth);
    std::vector<double> half(d.size());
    for (std::int64_t y = 0; y < kHeight; ++y) {
      for (std::int64_t v = 0; v < kHeight; ++v) {
        for (std::int64_t x = 0; x < kWidth; ++x) {
          half[static_cast<std::size_t>(y * kWidth + x)] +=
              rows[static_cast<std::size_t>(y * kHeight + v)] *
              d[static_cast<std::size_t>(v * kWidth + x)];
        }
      }
    }
    for (std::int64_t y = 0; y < kHeight; ++y) {
      for (std::int64_t x = 0; x < kWidth; ++x) {
        for (std::int64_t u = 0; u < kWidth; ++u) {
          exact[static_cast<std::size_t>(y * kWidth + x)] +=
              half[static_cast<std::size_t>(y * kWidth + u)] *
              columns[static_cast<std::size_t>(x * kWidth + u)];
        }
      }
    }
  }
  const double scale = std::abs(*std::max_element(exact.begin(), exact.end()));
  for (const std::string& isa : isa_names()) {
    // Beside a kernel on the image's own grid, whose output must not be disturbed.
    const auto ops = make_cpu_operations({{1, 1, {2.0F}}, kernel}, kHeight, kWidth, {2, isa, {}});
    std::vector<float> a(2 * d.size());
    ops->adjoint({d.data(), kHeight, kWidth}, {a.data(), 2, kHeight, kWidth});
    for (std::size_t p = 0; p < d.size(); ++p) {
      CHECK(a[p] == 4 * d[p]);
      CHECK(std::abs(a[d.size() + p] - exact[p]) < 1e-5 * scale);
    }
  }
}

TEST_CASE("results are the same to the last bit for every number of threads") {
  check::Random random(3);
  const Shape shape{61, 130, {{2, 21}, {1, 75}}};
  const SeparableKernels kernels = random_kernels(shape, random);
  const std::vector<float> d = random.vector(61 * 130);
  const float xi[] = {1, 0.5F};
  std::vector<std::vector<float>> answers;
  std::vector<double> sums;
  for (const int threads : {1, 2, 3, 7}) {
    const auto ops = make_cpu_operations(kernels, 61, 130, {threads, "auto", {}});
    std::vector<float> a(2 * d.size());
    const StackSpan span{a.data(), 2, 61, 130};
    ops->adjoint({d.data(), 61, 130}, span);
    sums.push_back(ops->group_shrink({a.data(), 2, 61, 130}, {0.1F, xi}, span));
    answers.push_back(a);
  }
  for (std::size_t i = 1; i < answers.size(); ++i) {
    CHECK(answers[i] == answers[0]);
    CHECK(sums[i] == sums[0]);
  }
}

TEST_CASE("shrinkage with general weights agrees with equal weights where they meet") {
  check::Random random(5);
  const SeparableKernels identity(3, {1, 1, {1.0F}});
  const auto ops = make_cpu_operations(identity, 20, 31, {});
  const std::vector<float> x = random.vector(3 * 20 * 31);
  std::vector<float> equal(x.size()), general(x.size());
  const StackView in{x.data(), 3, 20, 31};
  const float same[] = {0.7F, 0.7F, 0.7F};
  const float nearly[] = {0.7F, 0.7F, 0.70001F};
  ops->group_shrink(in, {0.4F, same}, {equal.data(), 3, 20, 31});
  ops->group_shrink(in, {0.4F, nearly}, {general.data(), 3, 20, 31});
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(equal[i] - general[i]) < 1e-4F);
}

TEST_CASE("plateaus are one maximum, and a plateau beside something higher is none") {
  const std::vector<float> score = {
      0, 0, 0, 0, 0, 0,  //
      0, 2, 2, 0, 3, 3,  //
      0, 0, 2, 0, 3, 4,  //
      1, 0, 0, 0, 0, 0,  //
      0, 0, 0, 0, 0, 2,  //
  };
  const std::vector<Maximum> maxima = local_maxima({score.data(), 5, 6});
  CHECK(maxima.size() == 4);
  CHECK(maxima[0].value == 4 && maxima[0].y == 2 && maxima[0].x == 5);
  CHECK(maxima[1].value == 2 && maxima[1].y == 1 && maxima[1].x == 1);
  CHECK(maxima[2].value == 2 && maxima[2].y == 4 && maxima[2].x == 5);
  CHECK(maxima[3].value == 1 && maxima[3].y == 3 && maxima[3].x == 0);
}

TEST_CASE("wrong arguments are refused") {
  const SeparableKernel good{1, 3, {1, 2, 1}};
  CHECK_THROWS(make_cpu_operations({}, 4, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({good}, 0, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({{1, 2, {1, 1}}}, 4, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({{1, 3, {1, 2, 3}}}, 4, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({{1, 3, {0, 0, 0}}}, 4, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({{1, 1, {NAN}}}, 4, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({{2, 3, {1, 2, 1}}}, 4, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({good}, 4, 4, {1, "avx9", {}}), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({{1, 1, {1}, 2, {}}}, 4, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({{1, 1, {1}, 2, {1, 1}}}, 4, 4), std::invalid_argument);
  CHECK_THROWS(make_cpu_operations({{1, 1, {1}, 1, {1}}}, 4, 4), std::invalid_argument);
  const auto ops = make_cpu_operations({good}, 4, 4, {});
  std::vector<float> memory(64);
  const float minus[] = {-1};
  const float one[] = {1};
  CHECK_THROWS(ops->forward({memory.data(), 2, 4, 4}, {memory.data(), 4, 4}),
               std::invalid_argument);
  CHECK_THROWS(ops->forward({memory.data(), 1, 4, 4}, {memory.data(), 4, 5}),
               std::invalid_argument);
  CHECK_THROWS(ops->group_shrink({memory.data(), 1, 4, 4}, {1, minus}, {memory.data(), 1, 4, 4}),
               std::invalid_argument);
  CHECK_THROWS(ops->group_shrink({memory.data(), 1, 4, 4}, {-1, one}, {memory.data(), 1, 4, 4}),
               std::invalid_argument);
}

TEST_CASE("normal_solve follows the formula on every instruction set, and writes nowhere else") {
  const std::pair<std::int64_t, std::int64_t> sizes[] = {
      {1, 1}, {1, 53}, {53, 1}, {2, 3}, {25, 50}};
  for (const std::string& isa : isa_names()) {
    for (const auto& [height, width] : sizes) {
      check::Random random(11);
      // Any halves will do: the formula does not ask for orthonormal vectors.
      const auto axis = [&](std::int64_t size) {
        AxisBasis basis;
        basis.size = size;
        const std::int64_t even = (basis.even_half() + 1) / 2, odd = basis.odd_half();
        basis.even = random.vector(static_cast<std::size_t>(even * basis.even_half()));
        basis.odd = random.vector(static_cast<std::size_t>(odd * basis.odd_half()));
        return basis;
      };
      Preconditioner given{axis(height), axis(width), {}, 0.1F, 2.0F};
      const std::int64_t rows = given.rows.count(), columns = given.columns.count();
      given.eigenvalues = random.vector(static_cast<std::size_t>(rows * columns));
      for (float& value : given.eigenvalues) value = std::abs(value);
      const auto entry = [](const AxisBasis& basis, std::int64_t vector, std::int64_t pixel) {
        const bool odd = vector >= basis.even_count();
        const std::int64_t half = odd ? basis.odd_half() : basis.even_half();
        const std::int64_t mirrored = basis.size - 1 - pixel;
        if (odd && pixel == mirrored) return 0.0;
        const std::int64_t row = odd ? vector - basis.even_count() : vector;
        const double value =
            (odd ? basis.odd
                 : basis.even)[static_cast<std::size_t>(row * half + std::min(pixel, mirrored))];
        return odd && pixel > mirrored ? -value : value;
      };
      const auto ops = make_cpu_operations({{1, 1, {1.0F}}}, height, width, {2, isa, {}}, &given);
      const auto pixels = static_cast<std::size_t>(height * width);
      const std::vector<float> r = random.vector(pixels);
      std::vector<float> x(pixels + 1, kSentinel);
      std::fill_n(x.begin(), pixels, 1.0F);
      const double c = 0.5;
      ops->normal_solve({r.data(), height, width}, static_cast<float>(c), 3.0F,
                        {x.data(), height, width});
      CHECK(x.back() == kSentinel);
      // (1 + 3 / scale (c + M)^-1 r), one axis after the other; the same with absolute values.
      std::vector<double> exact(pixels), size(pixels), half(rows * width), half_size(rows * width);
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t p = 0; p < height * width; ++p) {
          const double term = entry(given.rows, i, p / width) * r[p];
          half[i * width + p % width] += term;
          half_size[i * width + p % width] += std::abs(term);
        }
      }
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < columns; ++j) {
          const double value = given.eigenvalues[i * columns + j];
          double sum = 0, sum_size = 0;
          for (std::int64_t q = 0; q < width; ++q) {
            sum += entry(given.columns, j, q) * half[i * width + q];
            sum_size += std::abs(entry(given.columns, j, q)) * half_size[i * width + q];
          }
          for (std::int64_t p = 0; p < height * width; ++p) {
            const double v = entry(given.rows, i, p / width) * entry(given.columns, j, p % width);
            exact[p] -= v * value / (c * (c + value)) * sum;
            size[p] += std::abs(v) * value / (c * (c + value)) * sum_size;
          }
        }
      }
      for (std::size_t p = 0; p < pixels; ++p) {
        const double expected = 1 + 1.5 * (r[p] / c + exact[p]);
        const double bound = 1 + 1.5 * (std::abs(r[p]) / c + size[p]);
        const double roundings = static_cast<double>(2 * (height + width) + 10);
        CHECK(std::abs(x[p] - expected) <= roundings * 0x1p-24 * 1.01 * bound);
      }
    }
  }
}

TEST_CASE("a plan refuses a basis, eigenvalues or a scale that do not fit") {
  AxisBasis axis{3, {1, 0, 0, 1}, {1}};
  const auto refused = [&](const Preconditioner& given) {
    CHECK_THROWS(make_cpu_operations({{1, 1, {1.0F}}}, 3, 3, {1, "auto", {}}, &given),
                 std::invalid_argument);
  };
  const std::vector<float> nine(9, 1.0F);
  make_cpu_operations({{1, 1, {1.0F}}}, 3, 3, {1, "auto", {}},
                      std::make_unique<Preconditioner>(axis, axis, nine, 1.0F, 1.0F).get());
  refused({axis, axis, std::vector<float>(8, 1.0F), 1.0F, 1.0F});
  refused({axis, axis, std::vector<float>(9, -1.0F), 1.0F, 1.0F});
  refused({axis, axis, nine, 0.0F, 1.0F});
  refused({axis, axis, nine, 1.0F, 0.9F});
  refused({{4, {1, 0}, {1, 0}}, axis, std::vector<float>(6, 1.0F), 1.0F, 1.0F});
  refused({{3, {1, 0, 0, 1, 1, 1}, {1}}, axis, std::vector<float>(12, 1.0F), 1.0F, 1.0F});
  refused({{3, {}, {1}}, axis, std::vector<float>(3, 1.0F), 1.0F, 1.0F});
}
