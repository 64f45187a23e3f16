#include "cpu/normal_solve.hpp"

#include <algorithm>
#include <cmath>

#include "platform/checks.hpp"

namespace spotcore {
namespace {

// [inputs, outputs] given as value(input, output), in the panels of a DenseMatrix.
template <class Value>
AlignedBuffer panels(std::int64_t inputs, std::int64_t outputs, std::int64_t panel, Value value) {
  const std::int64_t count = ceil_div(outputs, panel);
  AlignedBuffer packed(static_cast<std::size_t>(count * inputs * panel));
  for (std::int64_t r = 0; r < outputs; ++r) {
    for (std::int64_t q = 0; q < inputs; ++q) {
      packed.get()[(r / panel * inputs + q) * panel + r % panel] = value(q, r);
    }
  }
  return packed;
}

void check(const AxisBasis& basis, std::int64_t size, const char* name) {
  const auto n_even = static_cast<std::int64_t>(basis.even.size());
  const auto n_odd = static_cast<std::int64_t>(basis.odd.size());
  const bool fits = basis.size == size && n_even > 0 && n_even % basis.even_half() == 0 &&
                    (basis.odd_half() == 0 ? n_odd == 0 : n_odd % basis.odd_half() == 0);
  require(fits && basis.even_count() <= basis.even_half() && basis.odd_count() <= basis.odd_half(),
          "preconditioner: expected halves of vectors of ", size, " pixels as the basis of ", name,
          ", got ", n_even, " and ", n_odd, " numbers for ", basis.size, " pixels");
}

// Before any memory is sized by it.
const Preconditioner& checked(const Preconditioner& given, ImageSize size) {
  check(given.rows, size.height, "rows");
  check(given.columns, size.width, "columns");
  require(given.floor > 0.0F && std::isfinite(given.floor),
          "preconditioner: expected a floor > 0, got ", given.floor);
  const std::int64_t pairs = product({given.rows.count(), given.columns.count()});
  require(static_cast<std::int64_t>(given.eigenvalues.size()) == pairs,
          "preconditioner: expected one eigenvalue per pair of vectors, ", pairs, ", got ",
          given.eigenvalues.size());
  for (const float value : given.eigenvalues) {
    require(value >= 0.0F && std::isfinite(value),
            "preconditioner: expected finite eigenvalues >= 0, got ", value);
  }
  require(given.scale >= 1.0F && std::isfinite(given.scale),
          "preconditioner: expected a finite scale >= 1, got ", given.scale);
  return given;
}

}  // namespace

NormalSolve::Axis::Axis(const AxisBasis& basis, const DenseLayout& layout)
    : size(basis.size),
      even_half(basis.even_half()),
      odd_half(basis.odd_half()),
      even_count(basis.even_count()),
      odd_count(basis.odd_count()) {
  const auto even = [&](std::int64_t vector, std::int64_t q) {
    return basis.even[static_cast<std::size_t>(vector * even_half + q)];
  };
  const auto odd = [&](std::int64_t vector, std::int64_t q) {
    return basis.odd[static_cast<std::size_t>(vector * odd_half + q)];
  };
  even_project = panels(even_half, even_count, layout.panel,
                        [&](std::int64_t q, std::int64_t r) { return even(r, q); });
  odd_project = panels(odd_half, odd_count, layout.panel,
                       [&](std::int64_t q, std::int64_t r) { return odd(r, q); });
  even_expand = panels(even_count, even_half, layout.panel, even);
  odd_expand = panels(odd_count, odd_half, layout.panel, odd);
}

NormalSolve::NormalSolve(const Preconditioner& preconditioner, ImageSize size, Isa isa,
                         ThreadPool& pool)
    : size_(size),
      pool_(pool),
      dense_(dense_kernel(isa)),
      rows_(checked(preconditioner, size).rows, dense_.layout),
      columns_(preconditioner.columns, dense_.layout),
      eigenvalues_(preconditioner.eigenvalues),
      scale_(preconditioner.scale),
      half_way_(static_cast<std::size_t>(
          std::max(size.width * rows_.count(), columns_.count() * size.height))),
      coefficients_(static_cast<std::size_t>(rows_.count() * columns_.count())),
      image_(static_cast<std::size_t>(size.pixels())) {
  const std::int64_t longest = std::max(size.height, size.width) + 1;
  for (int worker = 0; worker < pool.size(); ++worker) {
    packed_.emplace_back(static_cast<std::size_t>(longest * dense_.layout.strip));
  }
}

void NormalSolve::project(const Axis& axis, const float* in, std::int64_t width, float* out) {
  const std::int64_t strip = dense_.layout.strip;
  const std::int64_t strips = ceil_div(width, strip);
  pool_.run(2 * strips, [&](std::int64_t task, int worker) {
    const bool is_odd = task % 2 != 0;
    const std::int64_t x0 = task / 2 * strip;
    const std::int64_t columns = std::min(strip, width - x0);
    const std::int64_t half = is_odd ? axis.odd_half : axis.even_half;
    float* packed = packed_[static_cast<std::size_t>(worker)].get();
    for (std::int64_t q = 0; q < half; ++q) {
      const float* near = in + q * width + x0;
      const float* far = in + (axis.size - 1 - q) * width + x0;
      float* to = packed + q * strip;
      if (near == far) {  // the middle row
        std::copy_n(near, columns, to);
      } else if (is_odd) {
        for (std::int64_t c = 0; c < columns; ++c) to[c] = near[c] - far[c];
      } else {
        for (std::int64_t c = 0; c < columns; ++c) to[c] = near[c] + far[c];
      }
    }
    float* to = out + x0 * axis.count();
    if (is_odd) {
      dense_.project({axis.odd_project.get(), half, axis.odd_count}, packed, columns,
                     to + axis.even_count, axis.count());
    } else {
      dense_.project({axis.even_project.get(), half, axis.even_count}, packed, columns, to,
                     axis.count());
    }
  });
}

void NormalSolve::expand(const Axis& axis, const float* in, std::int64_t width, float* out) {
  const std::int64_t strip = dense_.layout.strip;
  pool_.run(ceil_div(width, strip), [&](std::int64_t task, int worker) {
    const std::int64_t x0 = task * strip;
    const std::int64_t columns = std::min(strip, width - x0);
    float* packed = packed_[static_cast<std::size_t>(worker)].get();
    for (std::int64_t q = 0; q < axis.count(); ++q) {
      std::copy_n(in + q * width + x0, columns, packed + q * strip);
    }
    dense_.expand({axis.even_expand.get(), axis.even_count, axis.even_half},
                  {axis.odd_expand.get(), axis.odd_count, axis.odd_half}, packed,
                  packed + axis.even_count * strip, columns, axis.size, out + x0 * axis.size,
                  axis.size);
  });
}

// What the basis does not hold passes as if A A* were zero there:
//   (c + M)^-1 r = r / c + V (1 / (c + eigenvalues) - 1 / c) V^T r.
void NormalSolve::apply(ImageView r, float c, float relaxation, ImageSpan x) {
  project(rows_, r.data, size_.width, half_way_.get());                    // [W, rows]
  project(columns_, half_way_.get(), rows_.count(), coefficients_.get());  // [rows, columns]
  float* coefficients = coefficients_.get();
  for (std::size_t i = 0; i < eigenvalues_.size(); ++i) {
    coefficients[i] *= -eigenvalues_[i] / (c * (c + eigenvalues_[i]));
  }
  expand(rows_, coefficients, columns_.count(), half_way_.get());  // [columns, H]
  expand(columns_, half_way_.get(), size_.height, image_.get());   // [H, W]
  const float* image = image_.get();
  const float share = relaxation / scale_;
  pool_.run(size_.height, [&](std::int64_t y, int) {
    const std::int64_t p0 = y * size_.width;
    for (std::int64_t p = p0; p < p0 + size_.width; ++p) {
      x.data[p] += share * (r.data[p] / c + image[p]);
    }
  });
}

}  // namespace spotcore
